import { roundUpToBlocks } from '../../../../orchestrator/model/size.ts';
import { parseQuantity } from '../../../../orchestrator/provisioner/core/quantity.ts';

test.each<[string, number | undefined]>([
  ['0', 0],
  ['5', 5],
  ['4096', 4096],
  ['1Ki', 1024],
  ['10Gi', 10 * 1024 ** 3],
  ['1Ti', 1024 ** 4],
  ['2Ei', 2 ** 61],
  ['500M', 500e6],
  ['1k', 1000],
  ['1500m', 2],
  ['1n', 1],
  ['1e9', 1e9],
  ['12E2', 1200],
  ['1E', 1e18],
  ['1.5Gi', 1.5 * 1024 ** 3],
  ['+3Mi', 3 * 1024 ** 2],
  ['', undefined],
  ['Gi', undefined],
  ['-1Gi', undefined],
  ['1gi', undefined],
  ['1 Gi', undefined],
  ['1GiB', undefined],
  ['0x10', undefined],
  ['Infinity', undefined],
  ['1e999', undefined],
])('the quantity %j is %j bytes', (text, bytes) => {
  expect(parseQuantity(text)).toBe(bytes);
});

test('a size that no block ends at is rounded up', () => {
  expect([0, 1, 4095, 4096, 4097].map(roundUpToBlocks)).toEqual([0, 4096, 4096, 4096, 8192]);
});
