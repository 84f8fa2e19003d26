import { formatQuantity, formatSize, parseSize } from '../../../../orchestrator/model/size.ts';

const GIB = 1024 ** 3;

describe('N8 a size', () => {
  test.each([
    ['15', 15 * GIB],
    ['0.5', GIB / 2],
    ['15Gi', 15 * GIB],
    ['1.5Gi', 1.5 * GIB],
    ['1Mi', 1024 ** 2],
    ['2048Ki', 2 * 1024 ** 2],
    ['64Ti', 64 * 1024 * GIB],
    ['512M', 512e6],
    ['4096k', 4096e3],
    ['1T', 1e12],
    ['500M', 500_002_816],
  ])('is read, given as %s', (text, expected) => {
    expect(parseSize(text)).toBe(expected);
  });

  test.each([
    ['', /expected a number of GiB/],
    ['Gi', /expected a number of GiB/],
    ['-1', /expected a number of GiB/],
    ['1e9', /expected a number of GiB/],
    ['1GB', /expected a number of GiB/],
    ['1 Gi', /expected a number of GiB/],
    ['0', /expected 1MiB to 64TiB/],
    ['1020Ki', /expected 1MiB to 64TiB/],
    ['65Ti', /expected 1MiB to 64TiB/],
  ])('is refused with the reason, given as %j', (text, reason) => {
    expect(() => parseSize(text)).toThrow(reason);
  });

  test('is shown in the largest unit that keeps it short', () => {
    expect([4096, 512e6, 1.5 * GIB, 64 * 1024 * GIB].map(formatSize)).toEqual([
      '4KiB',
      '488.3MiB',
      '1.5GiB',
      '64TiB',
    ]);
  });

  test.each([
    [GIB, '1Gi'],
    [1.5 * GIB, '1536Mi'],
    [2048 * GIB, '2Ti'],
    [500_002_816, '488284Ki'],
  ])('of %d bytes is exact as a quantity, %s', (sizeBytes, quantity) => {
    expect(formatQuantity(sizeBytes)).toBe(quantity);
    expect(parseSize(quantity)).toBe(sizeBytes);
  });
});
