import { formatSize } from '../model/size.ts';
import type { CopyView, EventView, NodeView, VolumeView } from '../model/view.ts';
import { addressOf, showInitiators } from '../model/volume.ts';

const BAR_CHARS = 20;

/** Columns wide enough for their longest cell, two spaces apart. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [index, cell] of row.entries()) {
      widths[index] = Math.max(widths[index] ?? 0, cell.length);
    }
  }
  return rows
    .map((row) =>
      row
        .map((cell, index) => cell.padEnd(widths[index] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join('');
}

export function formatVolumes(volumes: readonly VolumeView[]): string {
  const rows = volumes.map((volume) => [
    addressOf(volume),
    formatSize(volume.sizeBytes),
    volume.isDeleting ? 'deleting' : volume.health,
    formatInSync(volume),
    formatMode(volume),
    volume.portal,
    volume.controller.sessions === null ? '-' : String(volume.controller.sessions),
  ]);
  const header = ['VOLUME', 'SIZE', 'HEALTH', 'IN SYNC', 'FAILURE MODE', 'PORTAL', 'SESSIONS'];
  return formatTable([header, ...rows]);
}

export function formatNodes(nodes: readonly NodeView[]): string {
  const rows = nodes.map((node) => [
    node.name,
    formatNodeState(node),
    node.address,
    String(node.copyCount),
    node.directory,
    node.downReason ?? '',
  ]);
  return formatTable([['NODE', 'STATE', 'ADDRESS', 'COPIES', 'DIRECTORY', 'REASON'], ...rows]);
}

export function formatVolume(volume: VolumeView): string {
  const { controller, membership } = volume;
  const labels = Object.entries(volume.labels).map(([label, value]) => `${label}=${value}`);
  const facts = formatTable([
    ['Volume:', addressOf(volume)],
    [
      'Health:',
      volume.isDeleting ? 'deleting' : `${volume.health}, ${formatInSync(volume)} in sync`,
    ],
    ['Size:', formatSizes(volume)],
    ['Replicas:', `${volume.replicas} (${volume.replicas + 1} copies)`],
    ['Failure mode:', formatMode(volume)],
    ['Labels:', labels.length === 0 ? 'none' : labels.join(' ')],
    ['CHAP:', volume.chap],
    ['Initiators:', showInitiators(volume.initiators)],
    ['Target:', volume.targetName],
    ['Portal:', volume.portal],
    ['URL:', iscsiUrl(volume)],
    ['Controller:', `${controller.process}, ${controller.sessions ?? 'unknown'} sessions`],
    ['Membership:', `epoch ${membership.epoch}, generation ${membership.generation}`],
  ]);
  return `${facts}\n${formatCopies(volume.copies)}`;
}

function formatSizes({ sizeBytes, servedBytes }: VolumeView): string {
  const size = `${formatSize(sizeBytes)} (${sizeBytes} bytes)`;
  return servedBytes === sizeBytes ? size : `${size}, growing from ${formatSize(servedBytes)}`;
}

export function formatCopies(copies: readonly CopyView[]): string {
  const rows = copies.map((copy) => [
    copy.replicaId,
    copy.node,
    copy.isLeaving ? `${copy.state}, leaving` : copy.state,
    copy.process,
    copy.isConnected ? 'yes' : 'no',
    copy.isPrimary ? 'primary' : '',
    formatProgress(copy),
  ]);
  return formatTable([['COPY', 'NODE', 'STATE', 'PROCESS', 'CONNECTED', 'ROLE', 'SYNC'], ...rows]);
}

export function formatEvent({ time, volume, message }: EventView): string {
  return `${time.slice(11, 23)}  ${volume}: ${message}\n`;
}

/** The address that libiscsi's tools and QEMU take. */
export function iscsiUrl({ portal, targetName }: VolumeView): string {
  return `iscsi://${portal}/${targetName}/0`;
}

function formatInSync({ copies, replicas }: VolumeView): string {
  const inSyncCount = copies.filter(({ state }) => state === 'in-sync').length;
  return `${inSyncCount} of ${replicas + 1}`;
}

function formatNodeState({ downReason, isCordoned }: NodeView): string {
  if (downReason !== null) return 'down';
  return isCordoned ? 'cordoned' : 'available';
}

function formatMode({ failureMode, failureTolerance }: VolumeView): string {
  return failureMode === 'soft' ? `soft, tolerance ${failureTolerance}` : failureMode;
}

function formatProgress({ sync }: CopyView): string {
  if (sync === undefined) return '';
  const share = sync.totalBytes === 0 ? 1 : Math.min(1, sync.doneBytes / sync.totalBytes);
  const doneChars = Math.floor(share * BAR_CHARS);
  const bar = `[${'#'.repeat(doneChars)}${'.'.repeat(BAR_CHARS - doneChars)}]`;
  const rate = `${formatSize(sync.bytesPerSecond)}/s`;
  const isEstimated = sync.bytesPerSecond > 0 || share === 1;
  const left = isEstimated ? `${Math.ceil(sync.etaSeconds)} s left` : 'begins';
  return `${bar} ${Math.floor(share * 100)}% ${rate}, ${left}`;
}
