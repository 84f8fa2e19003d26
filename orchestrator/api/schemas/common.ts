import { ERROR_CODES } from '../../../replica/common/errors.ts';
import { LABEL_NAME, MAX_LABEL_VALUE_CHARS, MAX_LABELS } from '../../model/labels.ts';
import { DNS_LABEL } from '../../model/volume.ts';
import { objectOf, oneOf, type Schema, text } from '../schema.ts';

export const ADDRESS = text('`namespace/name` of a volume.', { pattern: '^[^/]+/[^/]+$' });

export function dnsLabel(description: string, rest: Schema = {}): Schema {
  return text(description, { pattern: DNS_LABEL.source, ...rest });
}

/** Filters a list by namespace. */
export const NAMESPACE_QUERY = {
  name: 'namespace',
  schema: dnsLabel('Only what is of this namespace.'),
  expected: '1 to 63 of a-z, 0-9 and -',
};

export function labels(description: string, rest: Schema = {}): Schema {
  return {
    description,
    type: 'object',
    propertyNames: { pattern: LABEL_NAME.source },
    additionalProperties: { type: 'string', maxLength: MAX_LABEL_VALUE_CHARS },
    maxProperties: MAX_LABELS,
    ...rest,
  };
}

export const EMPTY = objectOf<Record<never, never>>('Nothing: it is done.', {});

export interface ErrorBody {
  readonly error: { readonly code: string; readonly message: string };
}

export const ERROR_FIELD = objectOf<ErrorBody['error']>('The reason.', {
  code: oneOf('Stable: compare this, never the message.', Object.keys(ERROR_CODES)),
  message: text('One sentence that names the object, what was expected and what was found.'),
});

export const ERROR = objectOf<ErrorBody>('Why a call was refused.', { error: ERROR_FIELD });
