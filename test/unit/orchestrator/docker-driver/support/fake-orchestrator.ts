import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { VolumeView } from '../../../../../orchestrator/model/view.ts';

export const VIEW: VolumeView = {
  ...{ id: 'a'.repeat(32), namespace: 'default', name: 'db', sizeBytes: 1000, servedBytes: 1000 },
  ...{ replicas: 1, failureMode: 'soft', failureTolerance: 1, initiators: [], chap: 'none' },
  ...{ labels: {}, defaults: {}, origins: {} as VolumeView['origins'], notes: [] },
  ...{ isDeleting: false, health: 'healthy', portal: '127.0.1.1:3260' },
  targetName: 'iqn.2026-11.io.keelson:default.db',
  membership: { version: 1, epoch: 1, generation: 1 },
  controller: { process: 'ready', sessions: 0 } as VolumeView['controller'],
  copies: [],
};

export interface FakeOrchestrator {
  readonly url: string;
  /** Method, path and body of each call. */
  readonly calls: { call: string; body: unknown }[];
  /** What it answers: a value, or an error with its code. */
  answer: (call: string) => unknown;
  close(): Promise<void>;
}

/** An API of one volume over HTTP, since that is the door which the driver has. */
export async function startFakeOrchestrator(): Promise<FakeOrchestrator> {
  const calls: FakeOrchestrator['calls'] = [];
  const server: Server = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    request.on('end', () => {
      const call = `${request.method} ${request.url}`;
      calls.push({ call, body: text === '' ? undefined : JSON.parse(text) });
      const answer = fake.answer(call);
      const isError = typeof answer === 'object' && answer !== null && 'error' in answer;
      response.writeHead(isError ? 409 : 200).end(JSON.stringify(answer));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const fake: FakeOrchestrator = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    answer: () => VIEW,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return fake;
}
