import { readBootId } from '../../replica/common/boot-id.ts';
import { monotonicClock } from '../../replica/common/clock.ts';
import { KeelsonError } from '../../replica/common/errors.ts';
import { makeLog } from '../../replica/common/log.ts';
import { readChapFile } from '../cli/chap-file.ts';
import { readToken } from '../cli/token-file.ts';
import { ApiClient } from '../client/api-client.ts';
import { Attachments } from './attachments.ts';
import { Driver } from './driver.ts';
import { LinuxHost } from './host/linux-host.ts';
import { HELP, parseOptions } from './options.ts';
import { listenPlugin } from './plugin-server.ts';
import { RecordStore } from './record-store.ts';

async function main(): Promise<void> {
  const options = parseOptions(process.argv.slice(2), process.env);
  if (options.isHelp) {
    process.stdout.write(HELP);
    return;
  }
  const { access, socket, stateDir, chapFile, defaults } = options;
  const log = makeLog({ component: 'docker-driver' });
  const chap = chapFile === undefined ? null : await readChapFile(chapFile);
  const token = await readToken(access);
  const api = new ApiClient({ url: access.api, ...(token === undefined ? {} : { token }) });
  const store = await RecordStore.open(stateDir, readBootId());
  const host = new LinuxHost(monotonicClock);
  const attachments = await Attachments.open({ host, store, api, chap, log });
  const driver = new Driver({ api, attachments, defaults, chap });
  const server = await listenPlugin(socket, driver, log);
  process.stdout.write(`ready: ${socket}, volumes of ${access.api}\n`);
  const stop = async () => {
    await server.close();
    await attachments.close();
    store.close();
    process.exit(0);
  };
  // What is mounted stays mounted: containers outlive their driver.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void stop());
}

/** One clear sentence for what the environment did; the whole stack for a bug. */
function fail(error: unknown): never {
  const text = error instanceof KeelsonError ? error.message : String((error as Error)?.stack);
  process.stderr.write(`keelson docker-driver: ${text}\n`);
  process.exit(1);
}

// It must outlive the terminal or the pipe that its output went to.
process.stdout.on('error', () => undefined);
main().catch(fail);
