import type { EventView } from '../../../../orchestrator/model/view.ts';
import { rawCall } from '../support/raw-call.ts';
import { World } from '../support/world.ts';

let world: World;
beforeEach(async () => {
  world = await World.start({ nodeCount: 1 });
  for (const [volume, message] of [
    ['default/a', 'one'],
    ['default/b', 'two'],
    ['default-x/a', 'three'],
    ['default/a', 'four'],
  ] as const) {
    world.events.add(volume, message);
  }
});
afterEach(() => world.stop());

async function past(query: string): Promise<string[]> {
  const answer = await rawCall('GET', `${world.api.url}/v1/events?follow=false${query}`);
  return (JSON.parse(answer.body) as EventView[]).map(({ message }) => message);
}

/** What a stream says until `last` comes. */
async function followUntil(last: string, query: string, headers = {}): Promise<string[]> {
  const ended = new AbortController();
  const url = `${world.api.url}/v1/events${query}`;
  const response = await fetch(url, { headers, signal: ended.signal });
  expect(response.headers.get('content-type')).toBe('text/event-stream');
  let text = '';
  try {
    for await (const chunk of response.body!) {
      // The first line says that the stream is there: from then on nothing is missed.
      if (text === '') world.events.add('default/a', 'five');
      text += Buffer.from(chunk).toString();
      if (text.includes(`"message":"${last}"`)) break;
    }
  } finally {
    ended.abort();
  }
  return [...text.matchAll(/^data: (.*)$/gm)].map(
    ([, data = '']) => (JSON.parse(data) as EventView).message,
  );
}

test.each([
  ['', ['one', 'two', 'three', 'four']],
  ['&volume=default/a', ['one', 'four']],
  ['&namespace=default', ['one', 'two', 'four']],
  ['&namespace=default&volume=default-x/a', []],
  ['&since=2', ['three', 'four']],
  ['&since=2&volume=default/a', ['four']],
  ['&since=4', []],
  // Of an orchestrator that was there before: everything came after that.
  ['&since=900', ['one', 'two', 'three', 'four']],
])('what is kept of what happened is answered to %j', async (query, messages) => {
  expect(await past(query)).toEqual(messages);
});

test.each([
  ['', {}, ['five']],
  ['?follow=true&volume=default/a', {}, ['five']],
  ['?since=3', {}, ['four', 'five']],
  ['?since=0&volume=default/a', {}, ['one', 'four', 'five']],
  ['?since=0', { 'last-event-id': '3' }, ['four', 'five']],
  ['', { 'last-event-id': 'x' }, ['five']],
])('a stream %j with %j tells what it should', async (query, headers, messages) => {
  expect(await followUntil('five', query, headers)).toEqual(messages);
});

test.each([
  ['?since=x', 'query since: expected a whole number, got "x"'],
  ['?follow=no', 'query follow: expected true or false, got "no"'],
  ['?volume=a', 'query volume: expected NAMESPACE/NAME, got "a"'],
  ['?namespace=A', 'query namespace: expected 1 to 63 of a-z, 0-9 and -, got "A"'],
  ['?namespace=a&namespace=b', 'query namespace: expected once'],
])('events are not asked for by %s', async (query, reason) => {
  const answer = await rawCall('GET', `${world.api.url}/v1/events${query}`);
  expect([answer.status, JSON.parse(answer.body).error.message]).toEqual([400, reason]);
});
