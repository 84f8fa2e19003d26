import type { Labels, PolicyField } from '../model/labels.ts';
import { formatSize } from '../model/size.ts';
import type { CopyView, EventView, VolumeView } from '../model/view.ts';
import { addressOf, showInitiators } from '../model/volume.ts';
import { formatTable } from './columns.ts';
import type { Shown } from './output.ts';

const BAR_CHARS = 20;

/** Origins (view.ts) that need no words. */
const OWN = /^(label |built in$)/;

export function showVolumes(volumes: readonly VolumeView[]): Shown {
  const header = ['VOLUME', 'SIZE', 'HEALTH', 'IN SYNC', 'FAILURE MODE', 'PORTAL', 'SESSIONS'];
  const more = ['COPIES', 'CHAP', 'LABELS', 'TARGET'];
  const rows = volumes.map((volume) => [
    addressOf(volume),
    formatSize(volume.sizeBytes),
    volume.isDeleting ? 'deleting' : volume.health,
    formatInSync(volume),
    formatMode(volume),
    volume.portal,
    volume.controller.sessions === null ? '-' : String(volume.controller.sessions),
  ]);
  const further = volumes.map((volume) => [
    volume.copies.map(formatPlace).join(','),
    volume.chap,
    formatLabels(volume.labels),
    volume.targetName,
  ]);
  return {
    table: formatTable([header, ...rows]),
    wide: formatTable([
      [...header, ...more],
      ...rows.map((row, index) => [...row, ...(further[index] ?? [])]),
    ]),
  };
}

export function showVolume(volume: VolumeView): Shown {
  const { controller, membership } = volume;
  const facts = formatTable([
    ['Volume:', addressOf(volume)],
    [
      'Health:',
      volume.isDeleting ? 'deleting' : `${volume.health}, ${formatInSync(volume)} in sync`,
    ],
    ...volume.notes.map((note) => ['Note:', note]),
    ['Size:', formatSizes(volume)],
    [
      'Replicas:',
      `${volume.replicas} (${volume.replicas + 1} copies)${formatOrigins(volume, ['replicas'])}`,
    ],
    ['Failure mode:', `${formatMode(volume)}${formatOrigins(volume, modeFields(volume))}`],
    ['Labels:', formatLabels(volume.labels)],
    ...(hasAny(volume.defaults) ? [['Defaults:', formatLabels(volume.defaults)]] : []),
    ['CHAP:', volume.chap],
    ['Initiators:', `${showInitiators(volume.initiators)}${formatOrigins(volume, ['initiators'])}`],
    ['Target:', volume.targetName],
    ['Portal:', volume.portal],
    ['URL:', iscsiUrl(volume)],
    ['Controller:', `${controller.process}, ${controller.sessions ?? 'unknown'} sessions`],
    ['Membership:', `epoch ${membership.epoch}, generation ${membership.generation}`],
  ]);
  return { table: `${facts}\n${formatCopies(volume.copies)}` };
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

/** As it happens: the day is today. */
export function formatEvent({ time, volume, message }: EventView): string {
  return `${time.slice(11, 23)}  ${volume}: ${message}\n`;
}

/** Afterwards: with the day, and with the number to ask on from. */
export function showEvents(events: readonly EventView[]): Shown {
  const rows = events.map(({ time, volume, message }) => [
    `${time.slice(0, 10)} ${time.slice(11, 23)}`,
    volume,
    message,
  ]);
  const numbers = events.map(({ sequence }) => String(sequence));
  return {
    table: formatTable(rows),
    wide: formatTable(rows.map((row, index) => [numbers[index] ?? '', ...row])),
  };
}

/** The address that libiscsi's tools and QEMU take. */
export function iscsiUrl({ portal, targetName }: VolumeView): string {
  return `iscsi://${portal}/${targetName}/0`;
}

export function formatInSync({ copies, replicas }: VolumeView): string {
  const inSyncCount = copies.filter(({ state }) => state === 'in-sync').length;
  return `${inSyncCount} of ${replicas + 1}`;
}

function formatMode({ failureMode, failureTolerance }: VolumeView): string {
  return failureMode === 'soft' ? `soft, tolerance ${failureTolerance}` : failureMode;
}

/** `env=prod tier=db`. */
export function formatLabels(labels: Labels): string {
  const pairs = Object.entries(labels).map(([label, value]) => `${label}=${value}`);
  return hasAny(labels) ? pairs.join(' ') : 'none';
}

function hasAny(labels: Labels): boolean {
  return Object.keys(labels).length > 0;
}

/** Where a copy is, and what is special about it. */
function formatPlace({ node, state, isPrimary }: CopyView): string {
  if (isPrimary) return `${node}*`;
  return state === 'in-sync' ? node : `${node}(${state})`;
}

function modeFields({ failureMode }: VolumeView): readonly PolicyField[] {
  return failureMode === 'soft' ? ['failureMode', 'failureTolerance'] : ['failureMode'];
}

/** What decided it, where that is neither among the labels of the volume nor built in. */
function formatOrigins({ origins }: VolumeView, fields: readonly PolicyField[]): string {
  const named = fields.map((field) => origins[field]).filter((origin) => !OWN.test(origin));
  return named.length === 0 ? '' : `, by ${[...new Set(named)].join(' and ')}`;
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
