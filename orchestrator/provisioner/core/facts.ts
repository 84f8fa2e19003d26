import type {
  Claim,
  Metadata,
  PersistentVolume,
  StorageClass,
  VolumeObject,
} from '../../kubernetes/objects.ts';
import type { VolumeName } from '../../model/volume.ts';
import type { Finding } from '../../operator/conditions.ts';

/** What is seen of a claim, and of what it becomes, before each step anew. */
export interface Facts {
  readonly provisionerName: string;
  /** Of the Volume, which may not be there; the PersistentVolume has the same name. */
  readonly address: VolumeName;
  /** The one that the PersistentVolume is for; until there is one, the one that it was named after. */
  readonly claim: Claim | undefined;
  /** Of that claim. */
  readonly storageClass: StorageClass | undefined;
  readonly volume: VolumeObject | undefined;
  readonly persistentVolume: PersistentVolume | undefined;
}

/** One call to the API server. */
export type Step =
  | { readonly kind: 'create-volume'; readonly volume: VolumeObject }
  /** With its resourceVersion. */
  | { readonly kind: 'replace-volume'; readonly volume: VolumeObject }
  /** From here on the end of the claim alone does not delete it, and it is held. */
  | { readonly kind: 'mark-volume'; readonly metadata: Metadata }
  | { readonly kind: 'grow-volume'; readonly size: string }
  | { readonly kind: 'delete-volume'; readonly metadata: Metadata }
  /** Lets one that is deleted go, and one that stays without its PersistentVolume be deleted. */
  | { readonly kind: 'free-volume'; readonly metadata: Metadata }
  | { readonly kind: 'create-pv'; readonly persistentVolume: PersistentVolume }
  | { readonly kind: 'grow-pv'; readonly capacity: string }
  | { readonly kind: 'delete-pv'; readonly metadata: Metadata }
  /** Lets one that is deleted go. */
  | { readonly kind: 'free-pv'; readonly metadata: Metadata }
  | {
      readonly kind: 'set-claim-status';
      readonly capacity: string;
      readonly findings: readonly Finding[];
    };

/** What people are told: an Event on the claim or, where that is gone, on the PersistentVolume. */
export interface Notice {
  readonly type: 'Normal' | 'Warning';
  /** One word for programs, as other provisioners use them. */
  readonly reason: string;
  /** One sentence. */
  readonly message: string;
}

/** Neither: there is nothing to do until something changes. */
export interface Decision {
  readonly step?: Step;
  /** Of a step: once it was taken. */
  readonly notice?: Notice;
}

export const NOTHING: Decision = {};
