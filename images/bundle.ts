import { build, type Plugin } from 'esbuild';

/** The three images; each runs the program of its name. */
export const ROLES = ['controller', 'replica', 'orchestrator'] as const;
export type Role = (typeof ROLES)[number];

export interface Bundle {
  /** Name of the file in the build context, and below /keelson in the image. */
  readonly file: string;
  readonly text: string;
  /** Every file that went in, from the root of the repository. */
  readonly inputs: readonly string[];
}

interface Program {
  readonly entry: string;
  readonly file: string;
}

/**
 * CommonJS wherever it can be: an ES module that imports node:http makes Node.js build all that
 * module's exports, `fetch` with its 30 ms among them. The CLI awaits at its top level and wants
 * `fetch` anyway.
 */
const PROGRAMS: readonly Program[] = [
  { entry: 'controller/main.ts', file: 'controller.cjs' },
  { entry: 'replica/main.ts', file: 'replica.cjs' },
  { entry: 'orchestrator/main.ts', file: 'orchestrator.cjs' },
  { entry: 'orchestrator/cli/main.ts', file: 'keelson.mjs' },
  { entry: 'images/healthcheck.ts', file: 'healthcheck.cjs' },
];

/**
 * An addon is one file beside the bundle (images/addons.ts puts it there). The loaders that the
 * packages bring ask first which of a dozen platforms this is, which an image knows.
 */
const addonsOutside: Plugin = {
  name: 'addons-outside',
  setup({ onResolve }) {
    const outside = (path: string) => ({ path, external: true });
    onResolve({ filter: /^@node-rs\/crc32$/ }, () => outside('./native/crc32.node'));
    onResolve({ filter: /^lz4-napi$/ }, () => outside('./native/lz4.node'));
    onResolve({ filter: /^\.\/binding$/ }, ({ importer }) =>
      importer.includes('/fs-native-extensions/')
        ? outside('./native/fs-native-extensions.node')
        : undefined,
    );
  },
};

const LEFT_OUT = 'left-out';

interface Unused {
  /** In the paths of the files that ask for them. */
  readonly importer: string;
  readonly modules: RegExp;
}

/** Large parts of packages that would be loaded with what is used of them. */
const UNUSED: readonly Unused[] = [
  // A gRPC server and protobuf for images that are built with BuildKit, at every start (25 ms, 5 MB).
  // The orchestrator builds no image.
  { importer: '/dockerode/', modules: /^\.\/(session|buildkit)$/ },
  // Beside the way to find a cluster: clients of all API groups, another HTTP client, and the login
  // with OpenID Connect that people have, but no pod.
  {
    importer: '/@kubernetes/client-node/',
    modules: /^(\.\/gen\/index\.js|undici|openid-client)$/,
  },
];

const withoutUnused: Plugin = {
  name: 'without-unused',
  setup({ onResolve, onLoad }) {
    for (const { importer: user, modules } of UNUSED) {
      onResolve({ filter: modules }, ({ path, importer }) =>
        importer.includes(user) ? { path, namespace: LEFT_OUT } : undefined,
      );
    }
    onLoad({ filter: /./, namespace: LEFT_OUT }, ({ path }) => ({
      contents: `module.exports = () => { throw new Error('${path} is left out of this bundle'); };`,
    }));
  },
};

/**
 * Packages try these and go on without them: ssh2 two addons that npm did not compile, debug a package
 * that is here for our tests only.
 */
const TRIED_IN_VAIN = ['cpu-features', '*/sshcrypto.node', 'supports-color'];

/**
 * The first line: it is found on the path and started by the kernel, for the image has no shell and no
 * /usr/bin/env. The others: packages that are CommonJS, such as yaml, ask for modules of Node.js.
 */
const MODULE_BANNER = `#!/usr/local/bin/node
import { createRequire } from 'node:module';
const require = createRequire(import.meta.url);`;

/** All programs of all images, not minified, so that a stack can be read. */
export function bundlePrograms(): Promise<Bundle[]> {
  return Promise.all(PROGRAMS.map(bundleProgram));
}

async function bundleProgram({ entry, file }: Program): Promise<Bundle> {
  const isModule = file.endsWith('.mjs');
  const { outputFiles, metafile } = await build({
    entryPoints: [entry],
    bundle: true,
    platform: 'node',
    target: 'node26',
    format: isModule ? 'esm' : 'cjs',
    // import() of an external addon becomes require(), the only one that can load it.
    supported: { 'dynamic-import': isModule },
    mainFields: ['main'],
    banner: isModule ? { js: MODULE_BANNER } : {},
    define: {
      'process.env.NODE_ENV': '"production"',
      ...(isModule ? {} : { 'import.meta.dirname': '__dirname' }),
    },
    legalComments: 'none', // images/licenses.ts has them all, in one file
    external: TRIED_IN_VAIN,
    plugins: [addonsOutside, withoutUnused],
    write: false,
    metafile: true,
    logLevel: 'error',
  });
  const text = outputFiles[0]?.text;
  if (text === undefined) throw new Error(`bundle ${entry}: expected one output, got none`);
  const inputs = Object.keys(metafile.inputs).filter((path) => !path.startsWith(LEFT_OUT));
  return { file, text, inputs };
}
