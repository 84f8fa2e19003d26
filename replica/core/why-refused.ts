import { PROTOCOL_VERSION } from '../protocol/constants.ts';
import type { Hello, Refusal } from '../protocol/hello.ts';
import type { Metadata } from '../store/metadata-record.ts';

/** Why a controller may not have this copy, or undefined when it may (I4, I5). */
export function whyRefused(
  metadata: Metadata,
  hello: Hello,
  state: { readonly isStopping: boolean; readonly hasTooManyReaders: boolean },
): (Refusal & { readonly code: RefusalCode }) | undefined {
  if (hello.protocolVersion !== PROTOCOL_VERSION) {
    return refusal(
      'FAILED_PRECONDITION',
      'protocol version',
      PROTOCOL_VERSION,
      hello.protocolVersion,
    );
  }
  for (const field of ['volumeId', 'replicaId'] as const) {
    if (hello[field] !== metadata[field]) {
      return refusal('WRONG_IDENTITY', field, metadata[field], hello[field]);
    }
  }
  if (hello.dataId !== null && hello.dataId !== metadata.dataId) {
    return refusal('WRONG_IDENTITY', 'data id', metadata.dataId, hello.dataId);
  }
  if (hello.dataId !== null && metadata.session < hello.session) {
    const expected = `at least ${hello.session}`;
    return refusal(
      'WRONG_IDENTITY',
      'session (the disk was rolled back)',
      expected,
      metadata.session,
    );
  }
  if (hello.epoch < metadata.epoch) {
    return refusal('EPOCH_SUPERSEDED', 'epoch', `at least ${metadata.epoch}`, hello.epoch);
  }
  // Only one instance ever takes an epoch (I3), so a second one with the same is not the owner.
  if (hello.epoch === metadata.epoch && hello.instanceId !== metadata.instanceId) {
    const what = `instance of epoch ${hello.epoch}`;
    return refusal('EPOCH_SUPERSEDED', what, String(metadata.instanceId), hello.instanceId);
  }
  if (state.isStopping) {
    return { code: 'UNAVAILABLE', message: 'take the hello: this replica is stopping; try again' };
  }
  if (state.hasTooManyReaders) {
    const message = 'take the hello: too many controllers may still read; try again in seconds';
    return { code: 'UNAVAILABLE', message };
  }
  return undefined;
}

type RefusalCode = 'FAILED_PRECONDITION' | 'WRONG_IDENTITY' | 'EPOCH_SUPERSEDED' | 'UNAVAILABLE';

function refusal(
  code: RefusalCode,
  what: string,
  expected: string | number,
  got: string | number,
): { code: RefusalCode; message: string } {
  return { code, message: `take the hello: ${what}: expected ${expected}, got ${got}` };
}
