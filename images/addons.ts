import { existsSync } from 'node:fs';
import { KeelsonError } from '../replica/common/errors.ts';

/** As Docker calls them, and as Node.js does. */
export const ARCHITECTURES = { amd64: 'x64', arm64: 'arm64' } as const;
export type Architecture = keyof typeof ARCHITECTURES;

export interface Addon {
  /** Name below /keelson/native in the image; the bundles load it from there. */
  readonly file: string;
  /** Where npm put it, from the root of the repository. */
  readonly source: string;
}

/**
 * The native code of our dependencies for Linux with glibc.
 *
 * Errors: FAILED_PRECONDITION where npm did not install them for that architecture.
 */
export function addonsFor(architecture: Architecture): Addon[] {
  const arch = ARCHITECTURES[architecture];
  const addons = [
    {
      file: 'crc32.node',
      source: `node_modules/@node-rs/crc32-linux-${arch}-gnu/crc32.linux-${arch}-gnu.node`,
    },
    {
      file: 'lz4.node',
      source: `node_modules/@antoniomuso/lz4-napi-linux-${arch}-gnu/lz4-napi.linux-${arch}-gnu.node`,
    },
    {
      file: 'fs-native-extensions.node',
      source: `node_modules/fs-native-extensions/prebuilds/linux-${arch}/fs-native-extensions.node`,
    },
  ];
  const missing = addons.find(({ source }) => !existsSync(source));
  if (missing === undefined) return addons;
  throw new KeelsonError(
    'FAILED_PRECONDITION',
    `images for linux/${architecture}: ${missing.source} is not installed; ` +
      `run npm ci --os=linux --cpu=${arch} --libc=glibc`,
  );
}
