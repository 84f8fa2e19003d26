import { MAX_NODES, MAX_SLOTS } from '../../../../../orchestrator/model/layout.ts';
import { processesOf } from '../../../../../orchestrator/plan/processes.ts';
import { publishedAddresses } from '../../../../../orchestrator/platforms/docker/published-addresses.ts';
import { makeRecord } from '../../support/records.ts';

const published = publishedAddresses({
  addressOf: (node) => `192.0.2.${node.replace('node', '')}`,
  numberOf: (node) => Number(node.replace('node', '')),
  controllerNode: () => 'node2',
});

test('every process is reached at its node, by a port of its own', () => {
  const { addresses, portalOn } = published;
  expect(addresses.portal({ slot: 7 })).toEqual({ host: '192.0.2.2', port: 13_267 });
  expect(portalOn(7, 'node1')).toEqual({ host: '192.0.2.1', port: 13_267 });
  expect(addresses.controllerAdmin({ slot: 7 })).toEqual({ host: '192.0.2.2', port: 13_607 });
  expect(addresses.replica({ slot: 7 }, { node: 'node3' })).toEqual({
    host: '192.0.2.3',
    port: 24_226,
  });
});

test('no port is there twice, even if all nodes have the same address', () => {
  const { addresses } = published;
  const ports = new Set<number>();
  for (let slot = 0; slot < MAX_SLOTS; slot += 1) {
    ports.add(addresses.portal({ slot }).port).add(addresses.controllerAdmin({ slot }).port);
    for (let node = 1; node <= MAX_NODES; node += 1) {
      ports.add(addresses.replica({ slot }, { node: `node${node}` }).port);
    }
  }
  expect(ports.size).toBe(MAX_SLOTS * (2 + MAX_NODES));
});

test('what is published is what the plan says, and nothing else', () => {
  const [replica, , controller] = processesOf(makeRecord({ slot: 1 }));
  expect(replica && published.bindings(replica, 'node1')).toEqual({
    '5703/tcp': [{ HostIp: '192.0.2.1', HostPort: '24032' }],
  });
  expect(controller && published.bindings(controller, 'node2')).toEqual({
    '3260/tcp': [{ HostIp: '192.0.2.2', HostPort: '13261' }],
    '3261/tcp': [{ HostIp: '192.0.2.2', HostPort: '13601' }],
  });
});
