import { readBootId } from '../../replica/common/boot-id.ts';
import { monotonicClock } from '../../replica/common/clock.ts';
import { KeelsonError } from '../../replica/common/errors.ts';
import { makeLog } from '../../replica/common/log.ts';
import { readChapFile } from '../cli/chap-file.ts';
import { readToken } from '../cli/token-file.ts';
import { ApiClient } from '../client/api-client.ts';
import type { VolumeName } from '../model/volume.ts';
import { Attachments } from './attachments.ts';
import { Driver } from './driver.ts';
import { LinuxHost } from './host/linux-host.ts';
import { HELP, parseOptions } from './options.ts';
import { listenPlugin } from './plugin-server.ts';
import { RecordStore } from './record-store.ts';
import { Wishes } from './wishes.ts';

/** As long as Docker repeats a call that nobody answers. */
const RETRY_MS = 30_000;
/** More than twice what Docker gives a call, and time to copy from an image. */
const ABANDONED_MS = 5 * 60_000;

/**
 * Whoever touches a disk whose portal is away waits for it, 120 s at most, in a thread of libuv. With its
 * four, four such volumes would hold up all others.
 */
const THREADS = '64';

async function main(): Promise<void> {
  process.env.UV_THREADPOOL_SIZE ??= THREADS;
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
  const mountPathOf = (volume: VolumeName) => store.mountPathOf(volume);
  const attachments = await Attachments.open({
    ...{ host, store, log, clock: monotonicClock },
    wishes: new Wishes({ api, chap, mountPathOf }),
    ...{ retryMs: RETRY_MS, abandonedMs: ABANDONED_MS },
  });
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
  const isExpected = error instanceof KeelsonError;
  const text = isExpected ? error.message : String((error as Error)?.stack);
  process.stderr.write(`keelson docker-driver: ${text}\n`);
  process.exit(isExpected && error.code === 'INVALID_ARGUMENT' ? 2 : 1);
}

// It must outlive the terminal or the pipe that its output went to.
process.stdout.on('error', () => undefined);
main().catch(fail);
