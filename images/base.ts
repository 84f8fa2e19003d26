import { fail } from './command.ts';
import { architectureOf, findEngine } from './engine.ts';
import { LOCAL_BASE } from './images.ts';
import { makeBase } from './make-base.ts';

/** `npm run images:base` */
async function main(): Promise<void> {
  const engine = await findEngine();
  const isNew = await makeBase(engine, await architectureOf(engine));
  process.stdout.write(
    `${LOCAL_BASE} ${isNew ? 'is made' : 'was there already, with this content'}\n`,
  );
}

main().catch(fail);
