import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type Docker from 'dockerode';
import { parse } from 'yaml';
import { currentVersion } from '../../images/images.ts';
import type { NodeView } from '../../orchestrator/model/view.ts';
import { eventually, run } from '../support/child.ts';
import { type Dockerd, startDockerd } from '../support/dockerd.ts';
import { execIn } from '../support/dockerd-exec.ts';
import { imagesFor } from '../support/dockerd-images.ts';

const FILE = 'manifests/docker/compose.yaml';
const PORTAL = '10.213.0.2:3260';

let dockerd: Dockerd;
let orchestrator: Docker.Container;

beforeAll(async () => {
  dockerd = await startDockerd();
  await imagesFor(dockerd.engine);
  orchestrator = dockerd.engine.getContainer('keelson');
});
afterAll(() => dockerd?.stop());

test('the compose file brings up an installation on three nodes, and its command line makes a volume', async () => {
  expect(await compose('up', '-d')).toMatchObject({ code: 0 });
  await whenServing();
  const words = ['--size', '64Mi', '--label', 'keelson.io/replicas=2', 'data'];
  await keelson('volume', 'create', ...words);
  await eventually('the volume is healthy', async () => {
    const output = await keelson('volume', 'inspect', '-o', 'json', 'data');
    return (JSON.parse(output) as { health: string }).health === 'healthy' ? true : undefined;
  });
  const names = await containerNames();
  expect(names.filter((name) => /^keelson-default\.data-r/.test(name))).toHaveLength(3);
  const { stdout } = await run('iscsi-ls', [`iscsi://${PORTAL}`]);
  expect(stdout).toContain('default.data');
});

test('an orchestrator that dies comes back by itself, and leaves the volumes alone meanwhile', async () => {
  const others = (await containerNames()).filter((name) => name !== 'keelson').sort();
  const startedAt = async (name: string) =>
    (await dockerd.engine.getContainer(name).inspect()).State.StartedAt;
  const before = await Promise.all(others.map(startedAt));
  const { State: state } = await orchestrator.inspect();
  await dockerd.inside('kill', ['-9', String(state.Pid)]);
  await eventually('the engine starts it again', async () => {
    const { State: now } = await orchestrator.inspect();
    return now.Running && now.Pid !== state.Pid ? true : undefined;
  });
  await whenServing();
  expect(await Promise.all(others.map(startedAt))).toEqual(before);
  expect(await keelson('volume', 'ls')).toContain('default');
});

test('compose down takes the orchestrator away, not the volumes', async () => {
  expect(await compose('down')).toMatchObject({ code: 0 });
  const names = await containerNames();
  expect(names).not.toContain('keelson');
  expect(names.length).toBeGreaterThanOrEqual(4);
});

test('the file and its one line of docker run start this version, with the same settings', () => {
  const text = readFileSync(FILE, 'utf8');
  const versions = [...text.matchAll(/(?<![\d.])\d+\.\d+\.\d+(?=[\s}])/g)].map(
    ([version]) => version,
  );
  expect(new Set(versions)).toEqual(new Set([currentVersion()]));
  const line = /# {3}(docker run -d .*)/.exec(text)?.[1] ?? '';
  const { keelson: service } = (parse(text) as { services: Record<string, Service> }).services;
  const plain = (value: string) => value.replace(/\$\{\w+:-([^}]*)\}/g, '$1');
  expect(line.split(' ')).toEqual([
    ...['docker', 'run', '-d', '--name', service?.container_name],
    ...['--network', service?.network_mode, '--restart', service?.restart, '--read-only'],
    ...['--cap-drop', ...(service?.cap_drop ?? [])],
    ...['--security-opt', ...(service?.security_opt ?? [])],
    ...(service?.volumes ?? []).flatMap((volume) => ['-v', plain(volume)]),
    plain(service?.image ?? ''),
  ]);
});

interface Service {
  readonly image: string;
  readonly container_name: string;
  readonly network_mode: string;
  readonly restart: string;
  readonly cap_drop: readonly string[];
  readonly security_opt: readonly string[];
  readonly volumes: readonly string[];
}

function compose(...words: readonly string[]) {
  const nodes = ['node1', 'node2', 'node3'];
  const data = (node: string) => join(dockerd.directory, node);
  return run('docker-compose', ['-f', FILE, ...words], {
    environment: {
      DOCKER_HOST: `unix://${dockerd.socketPath}`,
      KEELSON_SOCKET: dockerd.socketPath,
      KEELSON_STATE: join(dockerd.directory, 'state'),
      KEELSON_NODES: nodes.map((node) => `name=${node},data=${data(node)}`).join(';'),
    },
  });
}

async function keelson(...words: readonly string[]): Promise<string> {
  const { code, output } = await execIn(orchestrator, ['keelson', ...words]);
  expect({ code, output }).toEqual({ code: 0, output });
  return output;
}

async function containerNames(): Promise<string[]> {
  const found = await dockerd.engine.listContainers();
  return found.map(({ Names: names }) => names[0]?.slice(1) ?? '');
}

/** With all its nodes: it answers before it has seen them. */
function whenServing(): Promise<true> {
  return eventually('the nodes are available', async () => {
    const response = await fetch('http://127.0.0.1:5705/v1/nodes');
    const nodes = (await response.json()) as readonly NodeView[];
    return nodes.every(({ downReason }) => downReason === null) || undefined;
  });
}
