import { parseArgs } from 'node:util';
import { KeelsonError, messageOf } from '../replica/common/errors.ts';
import { ROLES } from './bundle.ts';
import { fail } from './command.ts';
import { CONTEXT, writeContext } from './context.ts';
import { architectureOf, findEngine } from './engine.ts';
import { buildImages, currentVersion, DEFAULT_BASE, LOCAL_BASE } from './images.ts';
import { measureStart } from './measure-start.ts';

const HELP = `npm run images -- [options]

Bundles the programs, builds keelson/controller, keelson/replica and keelson/orchestrator on the
Docker engine of DOCKER_HOST or of the socket. Shows their sizes and how long a container of each
takes from \`docker start\` until it runs, and until it answers its first request.

  --base IMAGE   Node.js 26 on Linux with glibc   (default: ${DEFAULT_BASE})
  --tag TAG      (default: the version in package.json)
  --help

Where no registry can be reached: npm run images:base, npm run images -- --base ${LOCAL_BASE}
`;

/** As the image specification of the OCI has it. */
const TAG = /^\w[\w.-]{0,127}$/;

async function main(): Promise<void> {
  const { base, tag, help } = readOptions();
  if (help) {
    process.stdout.write(HELP);
    return;
  }
  const engine = await findEngine();
  const architecture = await architectureOf(engine);
  await writeContext(CONTEXT, architecture);
  const images = await buildImages(engine, { base, tag, architecture, directory: CONTEXT });
  print(['image', 'size', 'started', 'answers']);
  for (const role of ROLES) {
    const { Size: bytes } = await engine.getImage(images[role]).inspect();
    const { engineMs, answerMs } = await measureStart(engine, images, role);
    const times = [engineMs, answerMs].map((ms) => `${ms.toFixed(0)} ms`);
    print([images[role], `${(bytes / 1e6).toFixed(0)} MB`, ...times]);
  }
}

function print([first = '', ...rest]: readonly string[]): void {
  process.stdout.write(`${first.padEnd(32)}${rest.map((cell) => cell.padStart(10)).join('')}\n`);
}

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        base: { type: 'string', default: DEFAULT_BASE },
        tag: { type: 'string', default: currentVersion() },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
    if (!TAG.test(values.tag)) throw new Error(`--tag: expected a tag, got ${values.tag}`);
    return values;
  } catch (cause) {
    throw new KeelsonError('INVALID_ARGUMENT', `${messageOf(cause)}; see --help`, { cause });
  }
}

main().catch(fail);
