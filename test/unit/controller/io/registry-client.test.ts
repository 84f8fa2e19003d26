import { Agent, createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { followRegistration, HttpRegistry } from '../../../../controller/io/registry-client.ts';
import type { Registration } from '../../../../controller/protocol/registration.ts';
import { makeRecord } from '../support/copies.ts';

const RECORD = makeRecord([{}, {}]);
const OTHER = makeRecord([{}, { state: 'stale' }], { version: 9, generation: 4 });
const REGISTRATION = {
  ...{ revision: 4, leaving: ['r1'], goneInstances: ['i0'], chap: null },
  volume: {
    ...{ id: 'v1', namespace: 'default', name: 'db', sizeBytes: 1024 * 1024 },
    ...{ replicas: 1, failureMode: 'soft', failureTolerance: 1 },
    ...{ initiators: [], allowsSanitize: false },
  },
  membership: RECORD,
  addresses: { r0: { host: '127.0.0.11', port: 5703 } },
};
const SECRET = Buffer.from('c0ffee', 'hex');

type Answer = (response: ServerResponse) => void;

const json =
  (status: number, value: unknown): Answer =>
  (response) => {
    response.writeHead(status).end(JSON.stringify(value));
  };
const text =
  (body: string): Answer =>
  (response) => {
    response.end(body);
  };
const cut: Answer = (response) => {
  response.socket?.destroy();
};
const cutHalfWay: Answer = (response) => {
  response.writeHead(200, { 'content-length': '100' });
  response.write('{"version":', () => response.socket?.destroy());
};

let answer: Answer;
let asked: { method: string; path: string; authorization: string; body: string } | undefined;
const server = createServer(async (request: IncomingMessage, response) => {
  let body = '';
  for await (const chunk of request) body += chunk;
  const { method = '', url: path = '', headers } = request;
  asked = { method, path, authorization: headers.authorization ?? '', body };
  answer(response);
});
let registry: HttpRegistry;

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}`;
  registry = new HttpRegistry({ url, namespace: 'default', name: 'db', secret: SECRET });
});

afterAll(() => {
  server.close();
});

describe('registry client, reading,', () => {
  test('asks for its volume with its secret and returns the registration', async () => {
    answer = json(200, REGISTRATION);
    expect(await registry.read()).toEqual(REGISTRATION);
    expect(asked).toMatchObject({ method: 'GET', path: '/v1/registry/default/db' });
    expect(asked?.authorization).toBe('Bearer c0ffee');
  });

  test.each<[string, Answer, string]>([
    ['another status', json(404, { error: 'gone' }), 'UNAVAILABLE'],
    ['a connection that is cut', cut, 'UNAVAILABLE'],
    ['half an answer', cutHalfWay, 'UNAVAILABLE'],
    ['no JSON', text('<html>'), 'INVALID_ARGUMENT'],
    ['another JSON', json(200, { volume: 1 }), 'INVALID_ARGUMENT'],
    ['more than it takes', text('x'.repeat(1024 * 1024 + 1)), 'UNAVAILABLE'],
  ])('fails with a code at %s', async (_case, given, code) => {
    answer = given;
    await expect(registry.read()).rejects.toMatchObject({ name: 'KeelsonError', code });
  });
});

describe('registry client, connecting,', () => {
  /** As to a node that is dead: nobody ever says anything. */
  class DeadConnection extends Duplex {
    readonly connecting = true;
    override _read(): void {}
    override _write(): void {}
    setTimeout(): this {
      return this;
    }
  }
  /** The first ones; all others are real. */
  const deadConnections = (count: number) => {
    const connections = jest.spyOn(Agent.prototype, 'createConnection');
    for (let index = 0; index < count; index++) {
      connections.mockImplementationOnce(() => new DeadConnection());
    }
    return connections;
  };
  afterEach(() => jest.restoreAllMocks());

  test('asks on another connection when one is not made at once', async () => {
    const connections = deadConnections(1);
    answer = json(200, RECORD);
    expect(await registry.change(RECORD)).toEqual(RECORD);
    // On a busy machine a real one may take longer than that, too.
    expect(connections.mock.calls.length).toBeGreaterThanOrEqual(2);
  });

  test('gives up after some that are not made, saying so', async () => {
    const connections = deadConnections(9);
    await expect(registry.read()).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining('not connected within 1600 ms'),
    });
    expect(connections.mock.calls.length).toBe(7);
  });

  test('has a silent connection looked after: a dead peer is noticed within 10 s', async () => {
    const keepAlive = jest.spyOn(Socket.prototype, 'setKeepAlive');
    answer = json(200, REGISTRATION);
    await registry.readAfter(1, new AbortController().signal);
    const [given] = keepAlive.mock.calls[0] ?? [];
    expect(given).toEqual({ enable: true, initialDelay: 4_000, interval: 2_000, count: 3 });
  });
});

describe('registry client, following,', () => {
  /** Answers each question in turn, and never the one after the last. */
  const inTurn = (...answers: Answer[]): Answer => {
    let count = 0;
    return (response) => {
      answers[count]?.(response);
      count += 1;
    };
  };
  const later = { ...REGISTRATION, revision: 5, leaving: [] };
  const latest = { ...REGISTRATION, revision: 9, leaving: [] };

  test('asks for what comes after what it knows, and tells each change once', async () => {
    const end = new AbortController();
    const heard: unknown[] = [];
    answer = inTurn(json(200, later), json(200, later), json(200, latest));
    await followRegistration({
      ...{ registry, from: REGISTRATION as Registration, signal: end.signal },
      onChange: (registration) => {
        heard.push(registration);
        if (registration.revision === latest.revision) end.abort();
      },
    });
    expect(heard).toEqual([later, latest]);
    expect(asked?.path).toBe('/v1/registry/default/db?after=5');
  });

  test('goes on when the registry is away for a moment, and ends in the middle of a wait', async () => {
    const end = new AbortController();
    const heard = Promise.withResolvers<Registration>();
    answer = inTurn(cut, json(200, later));
    const followed = followRegistration({
      ...{ registry, from: REGISTRATION as Registration, signal: end.signal },
      onChange: heard.resolve,
    });
    expect(await heard.promise).toEqual(later);
    end.abort(); // the third question is never answered
    await followed;
  });
});

describe('registry client, changing the record,', () => {
  test('sends it and returns what was stored', async () => {
    answer = json(200, RECORD);
    expect(await registry.change(RECORD)).toEqual(RECORD);
    expect(asked).toMatchObject({ method: 'PUT', path: '/v1/registry/default/db/membership' });
    expect(JSON.parse(asked?.body ?? '')).toEqual(RECORD);
  });

  test('returns the record that was there first, when it is refused', async () => {
    answer = json(409, { error: { code: 'CONFLICT', message: 'version' }, membership: OTHER });
    expect(await registry.change(RECORD)).toEqual(OTHER);
  });

  test.each<[string, Answer]>([
    ['the connection is cut', cut],
    ['half an answer comes', cutHalfWay],
    ['the registry fails', json(500, { error: { code: 'INTERNAL', message: 'x' } })],
    ['a refusal brings no record', json(409, { error: { code: 'CONFLICT', message: 'x' } })],
    ['the answer is no record', json(200, { ...RECORD, version: 0 })],
    ['the answer is no JSON', text('stored')],
  ])('knows nothing when %s', async (_case, given) => {
    answer = given;
    expect(await registry.change(RECORD)).toBeUndefined();
  });

  test('knows nothing when nobody listens', async () => {
    const url = 'http://127.0.0.1:1';
    const nobody = new HttpRegistry({ url, namespace: 'a', name: 'b', secret: SECRET });
    expect(await nobody.change(RECORD)).toBeUndefined();
  });
});
