import type { ContainerCreateOptions, NetworkCreateOptions } from 'dockerode';
import { SECRET_VARIABLE } from '../../../replica/common/process-options.ts';
import { showEndpoint } from '../../model/address-plan.ts';
import { copyDirectoryName } from '../../model/layout.ts';
import { addressOf, type VolumeName } from '../../model/volume.ts';
import type { ControllerProcess, ProcessSpec, ReplicaProcess } from '../../plan/processes.ts';
import { LABELS, labelsOf } from './container-labels.ts';
import type { PrivateNetworks } from './private-networks.ts';
import type { PublishedAddresses } from './published-addresses.ts';

/** What all containers of an installation have in common. */
export interface ContainerContext {
  readonly installation: string;
  /** Before every name that is given to a container or a network. */
  readonly namePrefix: string;
  readonly images: Readonly<Record<ProcessSpec['role'], string>>;
  readonly networks: PrivateNetworks;
  /** Where there are several engines. */
  readonly published: PublishedAddresses | undefined;
  /** Where controllers of this slot find the registry. */
  readonly registryUrl: (slot: number) => string;
}

export interface NodePlace {
  readonly name: string;
  /** Absolute path on the node. */
  readonly dataRoot: string;
}

/** The user that the images of controller and replica run as (images/). */
export const REPLICA_USER = 65_532;

/** Where a node's directory is in a replica's container. */
export const NODE_DIRECTORY = '/node';

/** Docker's own log would grow for ever. */
const LOG = { Type: 'json-file', Config: { 'max-size': '16m', 'max-file': '2' } };

/** Threads of one Node.js process, and room to spare; what more needs it is no part of us. */
const MAX_PROCESSES = 128;

/** No privilege at all: it reads and writes its own files and sockets. */
const LEAST_PRIVILEGE = {
  CapDrop: ['ALL'],
  SecurityOpt: ['no-new-privileges'],
  ReadonlyRootfs: true,
  Tmpfs: { '/tmp': 'rw,noexec,nosuid,size=16m' },
  PidsLimit: MAX_PROCESSES,
  LogConfig: LOG,
  // The orchestrator starts them: two that do would be in each other's way (ADR 0023).
  RestartPolicy: { Name: 'no' },
} as const;

/** In the images (images/collect-runtime.ts): 1 MB, where a Node.js process would be 40. */
const DO_NOTHING = { Entrypoint: ['/usr/bin/sleep'], Cmd: ['infinity'] };

/** The orchestrator watches by itself; a process that asks every 30 s costs more than it tells. */
const NO_HEALTH_CHECK = { Test: ['NONE'] };

export function networkName({ namePrefix }: ContainerContext, volume: VolumeName): string {
  return `${namePrefix}-${volume.namespace}.${volume.name}`;
}

export function networkOptions(
  context: ContainerContext,
  { volume, slot }: Pick<ProcessSpec, 'volume' | 'slot'>,
): NetworkCreateOptions {
  const { networks, installation } = context;
  return {
    Name: networkName(context, volume),
    Driver: 'bridge',
    IPAM: {
      Config: [
        {
          Subnet: networks.subnet(slot),
          IPRange: networks.range(slot),
          Gateway: networks.gateway(slot),
        },
      ],
    },
    Labels: {
      [LABELS.installation]: installation,
      [LABELS.volume]: addressOf(volume),
      [LABELS.volumeId]: volume.id,
      [LABELS.slot]: String(slot),
    },
  };
}

/** Where a process is in the network of its volume. */
export function privateAddressOf({ networks }: ContainerContext, spec: ProcessSpec): string {
  const { addresses } = networks;
  return spec.role === 'controller'
    ? addresses.portal(spec).host
    : addresses.replica(spec, spec).host;
}

/** Has the address of a volume's controllers on this node, and nothing to do. */
export function holderOptions(
  context: ContainerContext,
  spec: ControllerProcess,
  node: string,
): ContainerCreateOptions {
  const { installation, images } = context;
  return {
    ...DO_NOTHING,
    name: `${networkName(context, spec.volume)}-holder`,
    Image: images.controller,
    Labels: labelsOf(spec, { installation, node }, 'holder'),
    Healthcheck: NO_HEALTH_CHECK,
    // As process 1 it hears no other signal.
    StopSignal: 'SIGKILL',
    ...inNetwork(context, spec, node),
  };
}

/** A run of a controller; each run has a container of its own, because each is another instance. */
export function controllerOptions(
  context: ContainerContext,
  spec: ControllerProcess,
  run: { readonly node: string; readonly instanceId: string; readonly holder: string },
): ContainerCreateOptions {
  const host = privateAddressOf(context, spec);
  const portal = context.published?.portalOn(spec.slot, run.node);
  return {
    ...commonOptions(context, spec, run),
    name: `${networkName(context, spec.volume)}-controller-${run.instanceId.slice(0, 8)}`,
    Cmd: [
      ...['--volume', addressOf(spec.volume), '--listen', host],
      ...['--registry', context.registryUrl(spec.slot), '--instance-id', run.instanceId],
      ...(portal === undefined ? [] : ['--portal', showEndpoint(portal)]),
    ],
    HostConfig: { ...LEAST_PRIVILEGE, NetworkMode: `container:${run.holder}` },
  };
}

/** A replica's container stays for as long as its copy does, and is started again and again. */
export function replicaOptions(
  context: ContainerContext,
  spec: ReplicaProcess,
  { name: node, dataRoot }: NodePlace,
): ContainerCreateOptions {
  const { HostConfig, ...network } = inNetwork(context, spec, node);
  return {
    ...commonOptions(context, spec, { node }),
    ...network,
    name: `${networkName(context, spec.volume)}-${spec.replicaId}`,
    Cmd: [
      ...['--volume', addressOf(spec.volume), '--listen', privateAddressOf(context, spec)],
      ...['--volume-id', spec.volume.id, '--replica-id', spec.replicaId],
      ...['--data-dir', `${NODE_DIRECTORY}/${copyDirectoryName(spec.volume)}`],
      ...['--size', String(spec.volume.sizeBytes)],
      ...['--node', node, '--installation', context.installation],
    ],
    HostConfig: {
      ...HostConfig,
      Mounts: [{ Type: 'bind', Source: dataRoot, Target: NODE_DIRECTORY }],
    },
  };
}

/** Makes the node's directory, its marker, and gives it to the replicas. */
export function prepareNodeOptions(
  context: ContainerContext,
  { name, dataRoot }: NodePlace,
): ContainerCreateOptions {
  return {
    ...jobOptions(context, `prepare-${name}`),
    Cmd: [
      ...['prepare-node', '--directory', NODE_DIRECTORY, '--node', name],
      ...['--installation', context.installation, '--owner', String(REPLICA_USER)],
    ],
    User: '0:0',
    HostConfig: {
      ...LEAST_PRIVILEGE,
      CapAdd: ['CHOWN', 'DAC_OVERRIDE', 'FOWNER'],
      NetworkMode: 'none',
      // Unlike a mount, a bind makes the directory: a node is prepared once in its life.
      Binds: [`${dataRoot}:${NODE_DIRECTORY}`],
    },
  };
}

/** Tells whether the node's directory is the one that was prepared; changes nothing. */
export function checkNodeOptions(
  context: ContainerContext,
  { name, dataRoot }: NodePlace,
): ContainerCreateOptions {
  return {
    ...jobOptions(context, `check-${name}`),
    Cmd: [
      ...['check-node', '--directory', NODE_DIRECTORY, '--node', name],
      ...['--installation', context.installation],
    ],
    HostConfig: withNodeDirectory(dataRoot),
  };
}

export function eraseCopyOptions(
  context: ContainerContext,
  { name, dataRoot }: NodePlace,
  volume: VolumeName & { readonly id: string },
): ContainerCreateOptions {
  const copy = copyDirectoryName(volume);
  return {
    ...jobOptions(context, `erase-${name}-${volume.namespace}.${volume.name}`),
    Cmd: [
      ...['erase-copy', '--directory', NODE_DIRECTORY, '--node', name],
      ...['--installation', context.installation, '--copy', copy],
    ],
    HostConfig: withNodeDirectory(dataRoot),
  };
}

/** At the address of this process, and at the ports of the node that lead to it. */
function inNetwork(
  context: ContainerContext,
  spec: ProcessSpec,
  node: string,
): Pick<ContainerCreateOptions, 'NetworkingConfig' | 'HostConfig'> {
  const name = networkName(context, spec.volume);
  const endpoint = { IPAMConfig: { IPv4Address: privateAddressOf(context, spec) } };
  const bindings = context.published?.bindings(spec, node);
  return {
    NetworkingConfig: { EndpointsConfig: { [name]: endpoint } },
    HostConfig: {
      ...LEAST_PRIVILEGE,
      NetworkMode: name,
      ...(bindings === undefined ? {} : { PortBindings: bindings }),
    },
  };
}

function withNodeDirectory(dataRoot: string): ContainerCreateOptions['HostConfig'] {
  const mount = { Type: 'bind', Source: dataRoot, Target: NODE_DIRECTORY } as const;
  return { ...LEAST_PRIVILEGE, NetworkMode: 'none', Mounts: [mount] };
}

function jobOptions(context: ContainerContext, what: string): ContainerCreateOptions {
  return {
    name: `${context.namePrefix}-${what}`,
    Image: context.images.replica,
    Labels: { [LABELS.installation]: context.installation, [LABELS.role]: 'job' },
    Healthcheck: NO_HEALTH_CHECK,
  };
}

function commonOptions(
  context: ContainerContext,
  spec: ProcessSpec,
  run: { readonly node: string; readonly instanceId?: string },
): ContainerCreateOptions {
  const { installation, images } = context;
  return {
    Image: images[spec.role],
    Env: [`${SECRET_VARIABLE}=${spec.secret}`],
    Labels: labelsOf(spec, { installation, ...run }),
    Healthcheck: NO_HEALTH_CHECK,
  };
}
