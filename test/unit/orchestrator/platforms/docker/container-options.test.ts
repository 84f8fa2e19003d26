import type {
  ControllerProcess,
  ReplicaProcess,
} from '../../../../../orchestrator/plan/processes.ts';
import { processesOf } from '../../../../../orchestrator/plan/processes.ts';
import {
  controllerOptions,
  eraseCopyOptions,
  holderOptions,
  networkOptions,
  prepareNodeOptions,
  replicaOptions,
} from '../../../../../orchestrator/platforms/docker/container-options.ts';
import { privateNetworks } from '../../../../../orchestrator/platforms/docker/private-networks.ts';
import { publishedAddresses } from '../../../../../orchestrator/platforms/docker/published-addresses.ts';
import { makeRecord } from '../../support/records.ts';

const networks = privateNetworks('10.213', () => 1);
const CONTEXT = {
  ...{ installation: 'inst', namePrefix: 'keelson', networks },
  published: undefined,
  images: { controller: 'keelson/controller:1', replica: 'keelson/replica:1' },
  registryUrl: (slot: number) => `http://${networks.gateway(slot)}:5705`,
};
const NODE = { name: 'node1', dataRoot: '/srv/a' };

const record = makeRecord({ copyCount: 1, slot: 4 });
const [replica, controller] = processesOf(record) as [ReplicaProcess, ControllerProcess];
const all = [
  replicaOptions(CONTEXT, replica, NODE),
  controllerOptions(CONTEXT, controller, {
    ...{ node: 'node1', instanceId: '0123456789', holder: 'cafe' },
  }),
  prepareNodeOptions(CONTEXT, NODE),
  eraseCopyOptions(CONTEXT, NODE, record.spec),
  holderOptions(CONTEXT, controller, 'node1'),
];

test('no container has a privilege that it does not need', () => {
  for (const { HostConfig: host, User: user } of all) {
    expect(host).toMatchObject({
      ...{ CapDrop: ['ALL'], ReadonlyRootfs: true, SecurityOpt: ['no-new-privileges'] },
      RestartPolicy: { Name: 'no' },
    });
    expect(host?.Privileged).toBeUndefined();
    // Only the one that gives the directory to the others is root, with three capabilities.
    expect(user === undefined).toBe(host?.CapAdd === undefined);
  }
});

test('the secret is in the environment, and nowhere else', () => {
  for (const options of all) {
    const { Env: environment, ...rest } = options;
    expect(JSON.stringify(rest)).not.toContain(record.secret);
    expect(environment ?? []).not.toContain(`--secret=${record.secret}`);
  }
});

test('a replica sees the directory of its node, and has its own address', () => {
  const { HostConfig: host, NetworkingConfig: network, Cmd: command } = all[0] ?? {};
  expect(host?.Mounts).toEqual([{ Type: 'bind', Source: '/srv/a', Target: '/node' }]);
  expect(network?.EndpointsConfig?.['keelson-default.demo']?.IPAMConfig).toEqual({
    IPv4Address: '10.213.4.11',
  });
  expect(command?.join(' ')).toContain(`--data-dir /node/default.demo-${record.spec.id}`);
  expect(command?.join(' ')).toContain('--node node1 --installation inst');
});

test('a controller has a name of its own for each run, and finds the registry at the gateway', () => {
  const { name, Cmd: command, HostConfig: host } = all[1] ?? {};
  expect(name).toBe('keelson-default.demo-controller-01234567');
  expect(command?.join(' ')).toContain(
    '--registry http://10.213.4.1:5705 --instance-id 0123456789',
  );
  expect(host?.Mounts).toBeUndefined();
});

test('a controller is in the network of its holder, which has the address and no secret', () => {
  const { HostConfig: host, NetworkingConfig: own } = all[1] ?? {};
  expect(host?.NetworkMode).toBe('container:cafe');
  expect(own).toBeUndefined();
  const { NetworkingConfig: network, Env: environment } = all[4] ?? {};
  expect(network?.EndpointsConfig?.['keelson-default.demo']?.IPAMConfig).toEqual({
    IPv4Address: '10.213.4.2',
  });
  expect(environment).toBeUndefined();
});

test('where ports are published, those of a controller are published by its holder', () => {
  const published = publishedAddresses({
    addressOf: () => '192.0.2.1',
    numberOf: () => 1,
    controllerNode: () => 'node1',
  });
  const context = { ...CONTEXT, published };
  const run = { node: 'node1', instanceId: '0123456789', holder: 'cafe' };
  expect(controllerOptions(context, controller, run).HostConfig?.PortBindings).toBeUndefined();
  expect(holderOptions(context, controller, 'node1').HostConfig?.PortBindings).toMatchObject({
    '3260/tcp': [{ HostIp: '192.0.2.1', HostPort: '13264' }],
  });
});

test('a network belongs to one volume', () => {
  expect(networkOptions(CONTEXT, controller)).toMatchObject({
    Name: 'keelson-default.demo',
    IPAM: { Config: [{ Subnet: '10.213.4.0/24', Gateway: '10.213.4.1' }] },
  });
});
