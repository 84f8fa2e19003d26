import type { ChapCredentials } from '../../controller/protocol/chap-credentials.ts';
import { unreachable } from '../../replica/common/assert.ts';
import type { ApiClient } from '../client/api-client.ts';
import { formatSize } from '../model/size.ts';
import type { VolumeView } from '../model/view.ts';
import { addressOf, type VolumeName } from '../model/volume.ts';
import type { Attachments } from './attachments.ts';
import { readCreateOptions } from './core/create-options.ts';
import { dockerNameOf, volumeOf } from './core/names.ts';
import type { Options, PluginRequest } from './core/plugin-request.ts';

export interface DriverOptions {
  readonly api: ApiClient;
  readonly attachments: Attachments;
  /** Options that count where a creation has none of its own (S30). */
  readonly defaults: Options;
  /** Given to the volumes that are created here. */
  readonly chap: ChapCredentials | null;
}

/** Fields of the answer beside `Err`. */
export type Answer = Readonly<Record<string, unknown>>;

/** What Docker asks, as calls of the orchestrator and of this host's attachments. */
export class Driver {
  readonly #options: DriverOptions;

  constructor(options: DriverOptions) {
    this.#options = options;
  }

  /** Errors: those of the orchestrator and of the attachments, in words for who typed the command. */
  async handle(request: PluginRequest): Promise<Answer> {
    const { api, attachments } = this.#options;
    switch (request.kind) {
      case 'activate':
        attachments.noteEngineStart(); // each engine says this once
        return { Implements: ['VolumeDriver'] };
      case 'capabilities':
        // One orchestrator serves many engines, and each of them sees the same volumes.
        return { Capabilities: { Scope: 'global' } };
      case 'list':
        return { Volumes: await this.#list() };
      case 'create':
        await this.#create(request.name, request.options);
        return {};
      case 'get':
        return { Volume: this.#describe(await api.volume(volumeOf(request.name))) };
      case 'path':
        return { Mountpoint: attachments.mountPointOf(volumeOf(request.name)) };
      case 'remove': {
        const volume = volumeOf(request.name);
        const erase = () => api.deleteVolume(volume, { isForced: false });
        await attachments.leave(volume, erase);
        return {};
      }
      case 'mount':
        return { Mountpoint: await attachments.mount(volumeOf(request.name), request.id) };
      case 'unmount':
        await attachments.unmount(volumeOf(request.name), request.id);
        return {};
      default:
        return unreachable(request, 'request');
    }
  }

  /** Docker has the answer. */
  async onAnswered(request: PluginRequest): Promise<void> {
    if (request.kind !== 'mount' && request.kind !== 'unmount') return;
    await this.#options.attachments.markAnswered(volumeOf(request.name), request.id);
  }

  /** Docker has given up, and will not unmount what it does not know to be mounted. */
  async onGivenUp(request: PluginRequest): Promise<void> {
    if (request.kind !== 'mount') return;
    await this.#options.attachments.unmount(volumeOf(request.name), request.id);
  }

  async #create(name: string, options: Options): Promise<void> {
    const { api, defaults, chap } = this.#options;
    const volume = volumeOf(name);
    const wish = readCreateOptions(volume, options, defaults);
    await api.createVolume({ ...volume, ...wish, ...(chap === null ? {} : { chap }) });
  }

  async #list(): Promise<Answer[]> {
    const views = await this.#options.api.volumes();
    return views
      .filter(({ isDeleting }) => !isDeleting)
      .map((view) => ({ Name: dockerNameOf(view), Mountpoint: this.#mountPointOf(view) }));
  }

  /** `Status` is what `docker volume inspect` shows beside the name. */
  #describe(view: VolumeView): Answer {
    const { sizeBytes, replicas, failureMode, failureTolerance, health, controller } = view;
    return {
      Name: dockerNameOf(view),
      Mountpoint: this.#mountPointOf(view),
      Status: {
        volume: addressOf(view),
        size: formatSize(sizeBytes),
        replicas,
        failureMode,
        failureTolerance,
        health,
        labels: view.labels,
        portal: view.portal,
        target: view.targetName,
        sessions: controller.sessions,
        usesHere: this.#options.attachments.usesOf(view),
      },
    };
  }

  #mountPointOf({ namespace, name }: VolumeName): string {
    return this.#options.attachments.mountPointOf({ namespace, name });
  }
}
