/**
 * Sizes as claims and PersistentVolumes have them, which are no sizes of ours (model/size.ts): here a
 * bare number is bytes.
 *
 * Source: Kubernetes' apimachinery, pkg/api/resource, Quantity.
 */
const SUFFIXES: Readonly<Record<string, number>> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

const QUANTITY = /^\+?(\d{1,19}(?:\.\d{0,19})?)(?:([eE][+-]?\d{1,2})|([KMGTPE]i|[numkMGTPE]|))$/;

/**
 * Units: bytes, rounded up; above 2^53 inexact, which is far above every limit. undefined when it is
 * no quantity.
 */
export function parseQuantity(text: string | undefined): number | undefined {
  const [, digits, exponent = '', suffix = ''] = QUANTITY.exec(text ?? '') ?? [];
  const factor = SUFFIXES[suffix];
  if (digits === undefined || factor === undefined) return undefined;
  return Math.ceil(Number(`${digits}${exponent}`) * factor);
}
