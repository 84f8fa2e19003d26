import type { NodeView } from '../model/view.ts';
import { formatTable } from './columns.ts';
import type { Shown } from './output.ts';

export function showNodes(nodes: readonly NodeView[]): Shown {
  const header = ['NODE', 'STATE', 'ADDRESS', 'COPIES', 'DIRECTORY', 'REASON'];
  const rows = nodes.map((node) => [
    node.name,
    formatState(node),
    node.address,
    String(node.copyCount),
    node.directory,
    node.downReason ?? '',
  ]);
  const volumes = nodes.map(({ copies }) => copies.map(({ volume }) => volume).join(','));
  return {
    table: formatTable([header, ...rows]),
    wide: formatTable([
      [...header, 'VOLUMES'],
      ...rows.map((row, index) => [...row, volumes[index] ?? '']),
    ]),
  };
}

export function showNode(node: NodeView): Shown {
  const facts = formatTable([
    ['Node:', node.name],
    ['State:', node.downReason === null ? formatState(node) : `down: ${node.downReason}`],
    ['Address:', node.address],
    ['Directory:', node.directory],
    ['Copies:', String(node.copyCount)],
  ]);
  if (node.copies.length === 0) return { table: facts };
  const rows = node.copies.map(({ volume, replicaId, state }) => [volume, replicaId, state]);
  return { table: `${facts}\n${formatTable([['VOLUME', 'COPY', 'STATE'], ...rows])}` };
}

function formatState({ downReason, isCordoned, isDraining }: NodeView): string {
  if (downReason !== null) return 'down';
  if (isDraining) return 'draining';
  return isCordoned ? 'cordoned' : 'available';
}
