import { messageOf } from './errors.ts';

type NativeType = 'buffer' | 'i32' | 'i64' | 'u64';

export interface NativeSignature {
  readonly arguments: readonly NativeType[];
  readonly return: NativeType;
}

/** Returns a bigint where the signature says 64 bits. */
type NativeFunction = (...args: (Buffer | number | bigint)[]) => number;

/**
 * Functions of a shared library of the distribution, or undefined where the library, or FFI itself,
 * is missing. FFI is experimental in Node 26: nothing outside this file knows its shape.
 */
export function openLibrary<Name extends string>(
  file: string,
  signatures: Readonly<Record<Name, NativeSignature>>,
): Readonly<Record<Name, NativeFunction>> | undefined {
  const ffi = process.getBuiltinModule('node:ffi') as unknown as FfiModule | undefined;
  if (ffi === undefined) return undefined;
  try {
    return ffi.dlopen(file, signatures).functions as Record<Name, NativeFunction>;
  } catch (error) {
    if (/cannot open shared object|dlopen/i.test(messageOf(error))) return undefined;
    throw error;
  }
}

interface FfiModule {
  dlopen(file: string, signatures: object): { functions: Record<string, NativeFunction> };
}
