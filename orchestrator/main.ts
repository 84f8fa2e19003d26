import { join } from 'node:path';
import { targetNameOf } from '../controller/protocol/target-name.ts';
import { unreachable } from '../replica/common/assert.ts';
import { monotonicClock } from '../replica/common/clock.ts';
import { KeelsonError } from '../replica/common/errors.ts';
import { type Log, makeLog } from '../replica/common/log.ts';
import { EventLog } from './events/event-log.ts';
import { showEndpoint } from './model/address-plan.ts';
import { addressOf, placeOf, type VolumeName } from './model/volume.ts';
import { HELP } from './options/help.ts';
import { type PlatformOptions, parseOptions } from './options.ts';
import type { Advice, PlatformKind } from './platforms/platform-kind.ts';
import { type Orchestrator, startOrchestrator } from './start.ts';

/** npm passes a Ctrl-C on to a process that the terminal has already told: one press, two signals. */
const SAME_PRESS_MS = 500;

/** Longer than any child takes to come up; a volume that cannot says why in its events meanwhile. */
const READY_WAIT_MS = 24 * 3600 * 1000;

async function main(): Promise<void> {
  const options = parseOptions(process.argv.slice(2), process.env);
  if (options.isHelp) {
    print(HELP);
    return;
  }
  const events = new EventLog(() => new Date());
  events.subscribe(({ time, volume, message }) =>
    print(`${time.slice(11, 23)}  ${volume}: ${message}\n`),
  );
  const log = makeLog({ component: 'orchestrator' });
  const kind = await kindOf(options.platform, log);
  print(`keelson starts on ${kind.place}\n`);
  const starting = startOrchestrator({ ...options, events, log, kind });
  stopOnSignal(starting);
  const orchestrator = await starting;
  orchestrator.lost.catch(fail);
  await orchestrator.started;
  if (kind.advice !== undefined) await announce(orchestrator, kind.advice);
}

/** Loads what this platform needs, and nothing of the others: they stand on large packages. */
async function kindOf(options: PlatformOptions, log: Log): Promise<PlatformKind> {
  switch (options.name) {
    case 'process': {
      const { warmCompileCache } = await import('./platforms/process/compile-cache.ts');
      const { embedded } = await import('./platforms/process/embedded.ts');
      const programs = {
        controller: join(import.meta.dirname, '../controller/main.ts'),
        replica: join(import.meta.dirname, '../replica/main.ts'),
      };
      await warmCompileCache(options.root, Object.values(programs));
      return embedded({ ...options, programs });
    }
    case 'docker': {
      const { docker } = await import('./platforms/docker/docker.ts');
      return docker(options);
    }
    case 'kubernetes': {
      const { KubernetesKind } = await import('./platforms/kubernetes/kubernetes.ts');
      return new KubernetesKind(options, { log, now: () => new Date() });
    }
    default:
      return unreachable(options, 'platform');
  }
}

/** Prints the line that scripts wait for, once, when the first volume can be used. */
async function announce({ installation, apiUrl }: Orchestrator, advice: Advice): Promise<void> {
  const records = installation.registry.list().filter(({ isDeleting }) => !isDeleting);
  const first = records.find(({ spec }) => addressOf(spec) === 'default/demo') ?? records[0];
  if (first === undefined) {
    print(`no volume yet, the API is ${apiUrl}; try: ${advice.command} volume create NAME\n`);
    return;
  }
  const isReady = await installation.whenReady(addressOf(first.spec), READY_WAIT_MS);
  if (!isReady) return;
  const portal = showEndpoint(installation.addresses.portal(placeOf(first)));
  print(explainUse(first.spec, portal, advice));
}

function explainUse(volume: VolumeName, portal: string, { command, end }: Advice): string {
  const target = targetNameOf(volume);
  return `ready: iscsi://${portal}/${target}/0

  iscsi-ls -s iscsi://${portal}
  iscsiadm -m discovery -t st -p ${portal} && iscsiadm -m node -T ${target} -p ${portal} --login
  ${command} volume inspect ${addressOf(volume)}

${end}

`;
}

/** From the first moment on: the kernel ends process 1 of a container by no signal but SIGKILL. */
function stopOnSignal(starting: Promise<Orchestrator>): void {
  let running: Orchestrator | undefined;
  let firstAtMs: number | undefined;
  starting.then(
    (orchestrator) => {
      running = orchestrator;
    },
    () => undefined, // main says why
  );
  const onSignal = () => {
    const nowMs = monotonicClock.nowMs();
    if (firstAtMs === undefined) {
      firstAtMs = nowMs;
      print('keelson stops; once more to kill\n');
      starting.then((orchestrator) => orchestrator.close()).then(() => process.exit(0), fail);
    } else if (nowMs - firstAtMs > SAME_PRESS_MS) {
      running?.installation.kill();
      process.exit(1);
    }
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
}

function print(text: string): void {
  process.stdout.write(text);
}

/** One clear sentence for what the environment did; the whole stack for a bug. */
function fail(error: unknown): never {
  const isExpected = error instanceof KeelsonError;
  const text = isExpected ? error.message : String((error as Error)?.stack);
  process.stderr.write(`keelson: ${text}\n`);
  process.exit(isExpected && error.code === 'INVALID_ARGUMENT' ? 2 : 1);
}

// Volumes must outlive the terminal or the pipe that the output went to.
process.stdout.on('error', () => undefined);
main().catch(fail);
