import type { Readable } from 'node:stream';
import type Docker from 'dockerode';
import type { VolumeView } from '../../../orchestrator/model/view.ts';
import { addressOf } from '../../../orchestrator/model/volume.ts';
import { LABELS } from '../../../orchestrator/platforms/docker/container-labels.ts';

interface Start {
  /** `VOLUME-ID NAMESPACE/NAME REPLICA`. */
  readonly copy: string;
  readonly container: string;
  readonly node: string;
  /** What it has mounted; undefined when it was gone before it could be looked at. */
  source: string | undefined;
}

interface StartEvent {
  readonly timeNano: number;
  readonly Actor: { readonly ID: string; readonly Attributes: Readonly<Record<string, string>> };
}

/** All that the engine remembers; it forgets it when it ends. */
const SINCE_SECONDS = 1;

/**
 * Every start of a replica's container, as the engine tells of it, and the node of every copy, as
 * the membership record has it.
 */
export class StartLog {
  readonly #engine: Docker;
  readonly #dataRootOf: (node: string) => string;
  readonly #starts = new Map<number, Start>();
  /** By copy. */
  readonly #nodes = new Map<string, string>();
  #stream: Readable | undefined;

  constructor(engine: Docker, dataRootOf: (node: string) => string) {
    this.#engine = engine;
    this.#dataRootOf = dataRootOf;
  }

  /** To be called again when the engine was started again. */
  async watch(): Promise<void> {
    this.close();
    const label = [`${LABELS.role}=replica`];
    const filters = { type: ['container' as const], event: ['start'], label };
    const stream = (await this.#engine.getEvents({ since: SINCE_SECONDS, filters })) as Readable;
    this.#stream = stream;
    stream.on('error', () => undefined); // the engine was killed
    let rest = '';
    stream.on('data', (chunk: Buffer) => {
      const lines = (rest + chunk.toString()).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) if (line.trim() !== '') void this.#note(JSON.parse(line));
    });
  }

  /** Where the copies of a volume are at this moment. */
  learn(view: VolumeView): void {
    for (const { replicaId, node } of view.copies) {
      this.#nodes.set(`${view.id} ${addressOf(view)} ${replicaId}`, node);
    }
  }

  get count(): number {
    return this.#starts.size;
  }

  /** Starts on another node or directory than the copy's own, and of copies that no record had. */
  findStrays(): string[] {
    return [...this.#starts.values()].flatMap(({ copy, container, node, source }) => {
      const own = this.#nodes.get(copy);
      const isThere = own === node && (source ?? this.#dataRootOf(own)) === this.#dataRootOf(own);
      return isThere ? [] : [`${copy} of ${own} in ${container} on ${node} with ${source}`];
    });
  }

  close(): void {
    this.#stream?.destroy();
    this.#stream = undefined;
  }

  async #note({ timeNano, Actor: { ID: container, Attributes: labels } }: StartEvent) {
    const copy = `${labels[LABELS.volumeId]} ${labels[LABELS.key]}`;
    const node = labels[LABELS.node] ?? 'no node';
    const start: Start = { copy, container, node, source: undefined };
    this.#starts.set(timeNano, start);
    try {
      const { Mounts } = await this.#engine.getContainer(container).inspect();
      start.source = Mounts.find(({ Type }) => Type === 'bind')?.Source ?? 'no directory';
    } catch {
      // it was removed meanwhile, or the engine was killed
    }
  }
}
