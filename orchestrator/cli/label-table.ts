import { FAILURE_MODES } from '../../controller/protocol/registration.ts';
import { MAX_REPLICAS } from '../../replica/common/limits.ts';
import type { PolicyField } from '../model/labels.ts';

/** A label that decides something, as help and completion tell it. */
export interface KnownLabel {
  readonly label: string;
  /** `0..5`. */
  readonly values: string;
  /** All values, where they can be counted. */
  readonly choices: readonly string[];
  readonly about: string;
}

function upTo(max: number): readonly string[] {
  return Array.from({ length: max + 1 }, (_, index) => String(index));
}

const MAX_TOLERANCE = MAX_REPLICAS - 1;

/** Our own name for each part of a policy. */
export const LABELS: Readonly<Record<PolicyField, KnownLabel>> = {
  replicas: {
    label: 'keelson.io/replicas',
    values: `0..${MAX_REPLICAS}`,
    choices: upTo(MAX_REPLICAS),
    about: 'copies besides the first, default 0',
  },
  failureMode: {
    label: 'keelson.io/failure-mode',
    values: FAILURE_MODES.join('|'),
    choices: FAILURE_MODES,
    about: 'what may be missing while the volume is used, default soft',
  },
  failureTolerance: {
    label: 'keelson.io/failure-tolerance',
    values: `0..${MAX_TOLERANCE}`,
    choices: upTo(MAX_TOLERANCE),
    about: 'copies that may be missing in soft mode',
  },
  initiators: {
    label: 'keelson.io/initiators',
    values: 'NAME,NAME...',
    choices: [],
    about: 'iSCSI names that may log in, default all',
  },
  allowsSanitize: {
    label: 'keelson.io/sanitize',
    values: 'allow|refuse',
    choices: ['allow', 'refuse'],
    about: 'SANITIZE erases the volume for good, default refuse',
  },
};
