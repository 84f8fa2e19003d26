import {
  explainEngineError,
  statusOf,
} from '../../../../../orchestrator/platforms/docker/explain-engine-error.ts';
import { KeelsonError } from '../../../../../replica/common/errors.ts';

const ENGINE = 'unix:///x.sock';
const failed = (message: string, more: object = {}) => Object.assign(new Error(message), more);

test.each([
  [failed('connect ENOENT', { code: 'ENOENT' }), 'UNAVAILABLE', 'there is no such socket'],
  [failed('connect ECONNREFUSED', { code: 'ECONNREFUSED' }), 'UNAVAILABLE', 'nobody answers'],
  [failed('connect EACCES', { code: 'EACCES' }), 'UNAVAILABLE', 'group that owns the socket'],
  [failed('socket hang up', { code: 'ECONNRESET' }), 'UNAVAILABLE', 'is Docker starting'],
  [failed('write EPIPE', { code: 'EPIPE' }), 'UNAVAILABLE', 'is Docker starting'],
  [
    failed('x', { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' }),
    'UNAVAILABLE',
    'its certificate is not signed by ca.pem',
  ],
  [
    failed('x', { code: 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED' }),
    'UNAVAILABLE',
    'it refuses our certificate',
  ],
  [
    failed('(HTTP code 404) no such container - No such image: keelson/replica:0.1.0'),
    'FAILED_PRECONDITION',
    'image keelson/replica:0.1.0 is not there; build it with npm run images',
  ],
  [
    failed('(HTTP code 403) unexpected - Pool overlaps with other one on this address space'),
    'IN_USE',
    'choose others with --network-prefix',
  ],
  [
    failed('invalid mount config for type "bind": bind source path does not exist: /srv/a'),
    'FAILED_PRECONDITION',
    '/srv/a is missing on the node',
  ],
  [failed('write /x: no space left on device'), 'NO_SPACE', 'the disk of the engine is full'],
  [
    failed('(HTTP code 400) Client sent an HTTP request to an HTTPS server.'),
    'FAILED_PRECONDITION',
    'give tls=DIRECTORY',
  ],
  [failed('(HTTP code 500) server error - something else '), 'IO_FAILED', 'something else'],
])('what an engine says is explained in one sentence: %s', (cause, code, text) => {
  const error = explainEngineError(ENGINE, 'create container x', cause);
  expect([error.code, error.message]).toEqual([code, expect.stringContaining(text)]);
  expect(error.message).toContain(`engine ${ENGINE}`);
  expect(error.message).not.toContain('\n');
});

test('a connection that ends may be a matter of certificates, except on the same machine', () => {
  const reset = failed('socket hang up', { code: 'ECONNRESET' });
  const { message } = explainEngineError('tcp://10.0.0.2:2376', 'create container x', reset);
  expect(message).toContain('does it know our certificate?');
});

test('what was explained already stays as it is', () => {
  const error = new KeelsonError('IN_USE', 'taken');
  expect(explainEngineError(ENGINE, 'x', error)).toBe(error);
});

test('the status of a refusal is known, explained or not', () => {
  const refusal = failed('no', { statusCode: 409 });
  expect(statusOf(refusal)).toBe(409);
  expect(statusOf(explainEngineError(ENGINE, 'x', refusal))).toBe(409);
  expect(statusOf(new Error('no'))).toBeUndefined();
});
