import { MAX_NODES, MAX_SLOTS } from '../../../../../orchestrator/model/layout.ts';
import {
  privateNetworks,
  readNetworkPrefix,
} from '../../../../../orchestrator/platforms/docker/private-networks.ts';

const networks = privateNetworks('10.213', (node) => Number(node));

test('each volume has a network of its own, with all its processes in it', () => {
  const { addresses } = networks;
  expect([networks.subnet(7), networks.gateway(7)]).toEqual(['10.213.7.0/24', '10.213.7.1']);
  expect(addresses.portal({ slot: 7 })).toEqual({ host: '10.213.7.2', port: 3260 });
  expect(addresses.controllerAdmin({ slot: 7 })).toEqual({ host: '10.213.7.2', port: 3261 });
  expect(addresses.replica({ slot: 7 }, { node: '3' })).toEqual({
    host: '10.213.7.13',
    port: 5703,
  });
});

test('no address is there twice, on the largest installation', () => {
  const hosts = new Set<string>();
  for (let slot = 0; slot < MAX_SLOTS; slot += 1) {
    hosts.add(networks.gateway(slot)).add(networks.addresses.portal({ slot }).host);
    for (let node = 1; node <= MAX_NODES; node += 1) {
      hosts.add(networks.addresses.replica({ slot }, { node: String(node) }).host);
    }
  }
  expect(hosts.size).toBe(MAX_SLOTS * (2 + MAX_NODES));
  expect([...hosts].every((host) => Number(host.split('.')[3]) < 255)).toBe(true);
});

test.each(['10.0', '10.255', '172.16', '172.31', '192.168'])('the prefix %s is private', (text) => {
  expect(readNetworkPrefix(text)).toBe(text);
});

test.each(['', '10', '10.256', '10.1.2', '11.0', '172.15', '172.32', '192.169', '8.8', '10.x'])(
  'the prefix %j is refused',
  (text) => {
    expect(() => readNetworkPrefix(text)).toThrow('two octets of a private network');
  },
);
