import { ApiClient } from '../../../../orchestrator/client/api-client.ts';
import type { RuleFields } from '../../../../orchestrator/model/rule.ts';
import type { EventView } from '../../../../orchestrator/model/view.ts';
import { FakeApi, Raw } from '../support/fake-api.ts';

let api: FakeApi;
beforeAll(async () => {
  api = await FakeApi.start();
});
beforeEach(() => {
  api.answers = {};
  api.take();
});
afterAll(() => api.stop());

function eventOf(sequence: number): EventView {
  return { sequence, time: '2026-11-21T00:00:00.000Z', volume: 'default/a', message: 'm' };
}

function streamOf(...sequences: number[]): Raw {
  const lines = sequences.map((sequence) => `data: ${JSON.stringify(eventOf(sequence))}\n\n`);
  return new Raw(`: events\n\n${lines.join('')}`, { isWhole: false });
}

test('the token is shown with every call, and nothing is shown without one', async () => {
  api.answers = { 'GET /v1/nodes': [], 'GET /v1/events?since=0': streamOf(1) };
  const client = new ApiClient({ url: api.url, token: 'abc' });
  await client.nodes();
  for await (const _ of client.events({ since: 0 }, new AbortController().signal)) break;
  await new ApiClient({ url: api.url }).nodes();
  const shown = api.take().map(({ headers }) => headers.authorization);
  expect(shown).toEqual(['Bearer abc', 'Bearer abc', undefined]);
});

test('an event stream is opened anew before fetch gives up a silent one, and nothing is missed', async () => {
  api.answers = {
    'GET /v1/events?follow=false': [eventOf(6), eventOf(7)],
    'GET /v1/events?since=7': streamOf(8, 9),
    'GET /v1/events?since=9': streamOf(10),
  };
  const client = new ApiClient({ url: api.url, streamMs: 100 });
  const heard: number[] = [];
  for await (const { sequence } of client.events({}, new AbortController().signal)) {
    heard.push(sequence);
    if (sequence === 10) break;
  }
  expect(heard).toEqual([8, 9, 10]);
});

test('an event stream ends with UNAVAILABLE when the orchestrator does', async () => {
  api.answers = { 'GET /v1/events?since=0': streamOf(1) };
  const events = new ApiClient({ url: api.url }).events({ since: 0 }, new AbortController().signal);
  expect((await events.next()).value).toEqual(eventOf(1));
  api.cutConnections();
  await expect(events.next()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
});

test('a read that nobody answers is asked once more, by another connection; a change is not', async () => {
  const silence = new Raw('', { isWhole: false });
  const answers = [silence, []];
  api.answers = { 'GET /v1/nodes': () => answers.shift(), 'POST /v1/rules': silence };
  const client = new ApiClient({ url: api.url, readMs: 100, timeoutMs: 1_000 });
  expect(await client.nodes()).toEqual([]);
  const seen = api.take();
  expect(seen).toHaveLength(2);
  expect(seen[0]?.port).not.toBe(seen[1]?.port);
  const rule = { namespace: 'a', name: 'b' } as RuleFields;
  await expect(client.createRule(rule)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  expect(api.take()).toHaveLength(1);
});

test('a server that is no orchestrator is told from one', async () => {
  api.answers = { 'GET /v1/nodes': new Raw('<!doctype html>') };
  await expect(new ApiClient({ url: api.url }).nodes()).rejects.toMatchObject({
    code: 'PROTOCOL_VIOLATION',
    message: `${api.url} answers, but not with JSON: expected an orchestrator there`,
  });
});

test('an answer that does not come in time is UNAVAILABLE', async () => {
  api.answers = { 'GET /v1/nodes': new Raw('[', { isWhole: false }) };
  const client = new ApiClient({ url: api.url, timeoutMs: 100 });
  await expect(client.nodes()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
});

test('what was typed as a name stays a name', async () => {
  api.answers = { 'GET /v1/nodes/a%2Fb%3Fc': {} };
  await expect(new ApiClient({ url: api.url }).node('a/b?c')).resolves.toEqual({});
});
