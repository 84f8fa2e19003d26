import { KeelsonError } from '../../../replica/common/errors.ts';
import { readObject, readString } from '../../../replica/common/validate.ts';

/**
 * What Docker asks a volume plugin: a POST with a JSON body to one of these paths.
 *
 *   path                        body                                answer
 *   /Plugin.Activate            empty                               {"Implements": ["VolumeDriver"]}
 *   /VolumeDriver.Capabilities  {}                                  {"Capabilities": {"Scope": …}}
 *   /VolumeDriver.List          {}                                  {"Volumes": [{Name, Mountpoint}]}
 *   /VolumeDriver.Create        {"Name", "Opts": {KEY: VALUE}}      {}
 *   /VolumeDriver.Get           {"Name"}                            {"Volume": {Name, Mountpoint, Status}}
 *   /VolumeDriver.Path          {"Name"}                            {"Mountpoint"}
 *   /VolumeDriver.Remove        {"Name"}                            {}
 *   /VolumeDriver.Mount         {"Name", "ID"}                      {"Mountpoint"}
 *   /VolumeDriver.Unmount       {"Name", "ID"}                      {}
 *
 * Every answer has an `Err`, which is empty when it worked.
 * Source: docs.docker.com/engine/extend/plugins_volume, plugin_api.
 */
export type PluginRequest =
  | { readonly kind: 'activate' | 'capabilities' | 'list' }
  | { readonly kind: 'create'; readonly name: string; readonly options: Options }
  | { readonly kind: 'get' | 'path' | 'remove'; readonly name: string }
  | {
      readonly kind: 'mount' | 'unmount';
      readonly name: string;
      /** Of whoever wants the volume: one container's use of it. */
      readonly id: string;
    };

export type Options = Readonly<Record<string, string>>;

const NAMED = { Get: 'get', Path: 'path', Remove: 'remove' } as const;
const HELD = { Mount: 'mount', Unmount: 'unmount' } as const;

const MAX_NAME_CHARS = 255;
const MAX_OPTIONS = 80;
const MAX_OPTION_CHARS = 8192;

const BODILESS = ['/Plugin.Activate', '/VolumeDriver.Capabilities', '/VolumeDriver.List'];

/** Whether the body says anything: Docker sends an empty one, or `{}`, where it does not. */
export function needsBody(path: string): boolean {
  return !BODILESS.includes(path);
}

/** Errors: NOT_FOUND for a call that no volume plugin has; INVALID_ARGUMENT, naming the field. */
export function decodePluginRequest(path: string, body: unknown): PluginRequest {
  if (path === '/Plugin.Activate') return { kind: 'activate' };
  const call = /^\/VolumeDriver\.([A-Z][a-z]+)$/.exec(path)?.[1] ?? '';
  if (call === 'Capabilities') return { kind: 'capabilities' };
  if (call === 'List') return { kind: 'list' };
  if (call === 'Create') return { kind: 'create', name: nameIn(body), options: optionsIn(body) };
  if (Object.hasOwn(NAMED, call)) {
    return { kind: NAMED[call as keyof typeof NAMED], name: nameIn(body) };
  }
  if (Object.hasOwn(HELD, call)) {
    const id = readString(readObject(body, 'body'), 'ID', MAX_NAME_CHARS);
    return { kind: HELD[call as keyof typeof HELD], name: nameIn(body), id };
  }
  throw new KeelsonError('NOT_FOUND', `${path.slice(0, 80)}: no such call of a volume plugin`);
}

function nameIn(body: unknown): string {
  return readString(readObject(body, 'body'), 'Name', MAX_NAME_CHARS);
}

/** Docker sends null where there are none. */
function optionsIn(body: unknown): Options {
  const fields = readObject(readObject(body, 'body').Opts ?? {}, 'Opts');
  const entries = Object.entries(fields);
  if (entries.length > MAX_OPTIONS) {
    throw new KeelsonError('INVALID_ARGUMENT', `Opts: expected at most ${MAX_OPTIONS} options`);
  }
  return Object.fromEntries(
    entries.map(([name, value]) => {
      if (typeof value === 'string' && value.length <= MAX_OPTION_CHARS) return [name, value];
      const expected = `a string of at most ${MAX_OPTION_CHARS} characters`;
      throw new KeelsonError(
        'INVALID_ARGUMENT',
        `option ${name.slice(0, 80)}: expected ${expected}`,
      );
    }),
  );
}
