import type { Change } from '../kubernetes/kube-api.ts';
import { addressOfObject } from '../kubernetes/object-name.ts';
import type { Metadata, VolumeObject } from '../kubernetes/objects.ts';

/** Volumes that are gone, whose last words are still told. */
const MAX_GONE = 256;

/** The objects that Events are about, by `namespace/name`. */
export class Subjects {
  readonly #known = new Map<string, Metadata>();
  /** The one that went first is forgotten first. */
  readonly #gone = new Map<string, Metadata>();

  note({ before, after }: Change<VolumeObject>): void {
    const metadata = (after ?? before)?.metadata;
    if (metadata === undefined) return;
    const address = addressOfObject(metadata);
    this.#gone.delete(address);
    if (after !== undefined) {
      this.#known.set(address, metadata);
      return;
    }
    this.#known.delete(address);
    this.#gone.set(address, metadata);
    const [oldest] = this.#gone.keys();
    if (this.#gone.size > MAX_GONE && oldest !== undefined) this.#gone.delete(oldest);
  }

  get(address: string): Metadata | undefined {
    return this.#known.get(address) ?? this.#gone.get(address);
  }
}
