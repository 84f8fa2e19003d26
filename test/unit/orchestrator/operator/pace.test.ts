import { Pace } from '../../../../orchestrator/operator/pace.ts';
import { pass, stopTime } from './support/operator-stage.ts';

let pace: Pace;
let passed: string[];

beforeEach(() => {
  stopTime();
  pace = new Pace(5);
  passed = [];
});

afterEach(() => {
  pace.close();
  jest.useRealTimers();
});

function wait(name: string, isUrgent = false): void {
  void pace.turn({ isUrgent }).then((mayGo) => passed.push(mayGo ? name : `not ${name}`));
}

test('a pace lets the first pass at once, and the others one after the other', async () => {
  for (const name of ['a', 'b', 'c']) wait(name);
  await pass(0);
  expect(passed).toEqual(['a']);
  await pass(199);
  expect(passed).toEqual(['a']);
  await pass(1);
  expect(passed).toEqual(['a', 'b']);
  await pass(200);
  expect(passed).toEqual(['a', 'b', 'c']);
});

test('a pace is not faster for having been idle', async () => {
  wait('a');
  await pass(10_000);
  for (const name of ['b', 'c', 'd', 'e', 'f', 'g', 'h']) wait(name);
  await pass(999);
  expect(passed).toHaveLength(6);
});

test('a pace lets those pass first that are urgent', async () => {
  for (const name of ['a', 'b', 'c']) wait(name);
  wait('urgent', true);
  await pass(1_000);
  expect(passed).toEqual(['a', 'urgent', 'b', 'c']);
});

test('a pace that ends lets nobody pass any more, and nobody wait', async () => {
  wait('a');
  wait('b');
  pace.close();
  wait('c');
  await pass(0);
  expect(passed).toEqual(['a', 'not b', 'not c']);
});
