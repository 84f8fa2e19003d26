import { isIP } from 'node:net';
import { KeelsonError } from '../../../replica/common/errors.ts';
import { MAX_NODES } from '../../model/layout.ts';
import { DEFAULT_ENGINE, type EngineAddress } from './engine-address.ts';

/** A node as its operator describes it. */
export interface DockerNode {
  readonly name: string;
  readonly engine: EngineAddress;
  /** Absolute path on the engine's host. */
  readonly dataRoot: string;
  /** An IP address of it that all nodes reach: where there are several engines. */
  readonly address?: string;
}

const FIELDS: readonly string[] = ['name', 'data', 'engine', 'tls', 'address'];

export const DEFAULT_DATA_ROOT = '/var/lib/keelson/nodes';

/**
 * Reads `name=a,data=/srv/keelson,engine=tcp://10.0.0.2:2376,tls=/etc/keelson/a,address=10.0.0.2`,
 * of which only the name must be there.
 *
 * Errors: INVALID_ARGUMENT, naming the node and the field.
 */
export function readNodeOption(text: string): DockerNode {
  const fields = new Map<string, string>();
  for (const part of text.split(',')) {
    const [field = '', ...rest] = part.split('=');
    const value = rest.join('=');
    if (!FIELDS.includes(field) || value === '' || fields.has(field)) {
      throw invalid(text, `expected FIELD=VALUE once each of ${FIELDS.join(', ')}, got ${part}`);
    }
    fields.set(field, value);
  }
  const name = fields.get('name') ?? '';
  if (!/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(name)) {
    throw invalid(text, 'name: expected 1 to 63 of a-z, 0-9 and -, not starting or ending with -');
  }
  const dataRoot = fields.get('data') ?? `${DEFAULT_DATA_ROOT}/${name}`;
  // Docker's own binds take a colon for a separator.
  if (!/^\/[^:]*[^:/]$/.test(dataRoot) || dataRoot.split('/').includes('..')) {
    throw invalid(text, 'data: expected an absolute path without a colon');
  }
  const [tls, address] = [fields.get('tls'), fields.get('address')];
  if (address !== undefined && isIP(address) === 0) {
    throw invalid(text, `address: expected an IP address, got ${address}`);
  }
  return {
    ...{ name, dataRoot },
    engine: {
      url: fields.get('engine') ?? DEFAULT_ENGINE,
      ...(tls === undefined ? {} : { tlsDirectory: tls }),
    },
    ...(address === undefined ? {} : { address }),
  };
}

/**
 * Several nodes; none twice, no directory for two, and an address for each or for none.
 *
 * Errors: INVALID_ARGUMENT.
 */
export function readNodeOptions(texts: readonly string[]): DockerNode[] {
  const nodes = texts.map(readNodeOption);
  if (nodes.length < 1 || nodes.length > MAX_NODES) {
    throw new KeelsonError(
      'INVALID_ARGUMENT',
      `--node: expected 1 to ${MAX_NODES} of them, got ${nodes.length}`,
    );
  }
  const without = nodes.find(({ address }) => address === undefined);
  if (without !== undefined && nodes.some(({ address }) => address !== undefined)) {
    throw invalid(without.name, 'address: expected one, since other nodes have one');
  }
  for (const [index, node] of nodes.entries()) {
    const before = nodes.slice(0, index);
    if (before.some(({ name }) => name === node.name)) {
      throw invalid(node.name, 'it is there twice');
    }
    const same = before.find(
      ({ engine, dataRoot }) => engine.url === node.engine.url && dataRoot === node.dataRoot,
    );
    if (same !== undefined) {
      throw invalid(node.name, `${node.dataRoot} is the directory of ${same.name} already`);
    }
  }
  return nodes;
}

function invalid(node: string, reason: string): KeelsonError {
  return new KeelsonError(
    'INVALID_ARGUMENT',
    `--node ${node.slice(0, 120)}: ${reason}; see --help`,
  );
}
