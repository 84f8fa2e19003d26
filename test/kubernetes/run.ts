import { type ChildProcess, spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { exitOf, runOk } from '../support/child.ts';
import type { ImageArchive } from '../support/dockerd-images.ts';
import { Harness } from './support/harness.ts';
import { loadImages } from './support/images.ts';
import { install, wipe } from './support/install.ts';
import { Installation } from './support/installation.ts';
import { Nodes } from './support/nodes.ts';
import { currentSuite, environmentOf, isInsideSuite, type Suite } from './support/suite.ts';

const HELP = `npm run test:kubernetes -- [--only NAME] [--json FILE] [--quick] [PATTERN ...]

Everything about Kubernetes, on a real cluster. Needs root and either
- ../shared/kube beside the checkout, or the path of its program kube in KEELSON_KUBE: a cluster that
  is up is used as it is; else one is brought up, and taken down at the end;
- or KUBECONFIG, and --image-tag for the tag of Keelson's images that the nodes have. This program must
  then run where addresses of Services are reached. Tests that kill nodes fail there.

  --only NAME      one resilience scenario, such as s49
  --json FILE      where to keep what the scenarios took   (default, of all of them: build/kubernetes.json)
  --quick          only what npm test does
  --keep           leave Keelson and the cluster there, for the next run
  --image-tag TAG  (default: images of this source tree, which are built and loaded)
  PATTERN          only test files whose path matches
`;

/** Test files that npm test leaves out. */
const FULL = '/kubernetes/full/';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: 'string' },
    json: { type: 'string' },
    quick: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
    'image-tag': { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

/** What this program waits for; it is told of a signal, and cleaned up after. */
let child: ChildProcess | undefined;
let isStopping = false;

if (values.help) {
  process.stdout.write(HELP);
} else {
  // A terminal tells everybody below us by itself.
  process.on('SIGINT', () => {
    isStopping = true;
  });
  process.on('SIGTERM', () => {
    isStopping = true;
    child?.kill('SIGTERM');
  });
  process.exitCode = await (isInsideSuite() ? playInside(currentSuite()) : prepareOutside());
}

/** Finds or makes the cluster and the images; what follows must run in the cluster's network. */
async function prepareOutside(): Promise<number> {
  const { KUBECONFIG } = process.env;
  const harness = Harness.find();
  const isFull = !values.quick;
  const isWhole = isFull && values.only === undefined && positionals.length === 0;
  const { json = isWhole ? 'build/kubernetes.json' : undefined } = values;
  const given = { isFull, jsonPath: json === undefined ? undefined : resolve(json) };
  if (KUBECONFIG !== undefined && KUBECONFIG !== harness?.kubeconfig) {
    const tag = values['image-tag'];
    if (tag === undefined) throw new Error('KUBECONFIG is set: expected --image-tag as well');
    return callAgain([], { ...given, tag, harness: undefined });
  }
  if (harness === undefined) {
    throw new Error(
      'tests on Kubernetes: expected ../shared/kube beside the checkout, or KEELSON_KUBE with the ' +
        'path of its program kube, or KUBECONFIG of a cluster; none is there',
    );
  }
  const isOurs = !(await harness.isUp());
  try {
    const archive = await makeArchive();
    if (isOurs) await harness.up();
    else await harness.checkApiServer();
    await new Nodes(harness).restore();
    await loadImages(harness, archive);
    const words = [harness.place.command, 'exec'];
    return await callAgain(words, { ...given, tag: archive.tag, harness: harness.place });
  } finally {
    if (isOurs && !values.keep) await harness.down();
  }
}

async function makeArchive(): Promise<ImageArchive> {
  const script = resolve(import.meta.dirname, 'make-image-archive.ts');
  const output = await runOk(process.execPath, [script], { timeoutMs: 300_000 });
  return JSON.parse(output.trim().split('\n').at(-1) ?? '') as ImageArchive;
}

/** This program once more, by way of one that leads into the cluster's network. */
function callAgain(way: readonly string[], suite: Suite): Promise<number> {
  return follow([...way, process.execPath, ...process.argv.slice(1)], environmentOf(suite));
}

async function playInside(suite: Suite): Promise<number> {
  const { tag, harness } = suite;
  const wasThere = await Installation.exists();
  try {
    await install(tag);
    const patterns = values.only === undefined ? positionals : ['kubernetes/resilience'];
    return await follow([
      ...[process.execPath, 'node_modules/jest/bin/jest.js', '--runInBand', '--forceExit'],
      ...['--selectProjects', 'kubernetes'],
      ...(patterns.length === 0 ? [] : ['--testPathPatterns', ...patterns]),
      ...(suite.isFull ? [] : ['--testPathIgnorePatterns', FULL]),
      ...(values.only === undefined ? [] : ['--testNamePattern', `\\[${values.only}\\]`]),
    ]);
  } finally {
    const ours = harness === undefined ? undefined : new Harness(harness);
    if (ours !== undefined) await new Nodes(ours).restore();
    if (!wasThere && !values.keep) await wipe(tag, ours);
  }
}

async function follow(
  [command = '', ...words]: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<number> {
  if (isStopping) return 1;
  child = spawn(command, words, {
    stdio: 'inherit',
    env: { ...process.env, ...environment },
  });
  return (await exitOf(child)) ?? 1;
}
