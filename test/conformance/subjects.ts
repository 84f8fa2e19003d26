import { eventually } from '../support/child.ts';
import { type Keelson, startKeelson } from '../support/keelson.ts';
import { startTgt } from '../support/tgt.ts';

/** A LUN to be judged, on its own while it is. */
export interface Subject {
  readonly name: string;
  readonly url: string;
  stop(): Promise<void>;
}

export interface KeelsonSubject extends Subject {
  readonly keelson: Keelson;
  /** Makes another volume like this, larger and in one copy only; returns its URL. */
  makeLarge(): Promise<string>;
}

/** The suite overwrites it whole several times. */
const SIZE_BYTES = 256 * 1024 ** 2;
const SIZE = '256Mi';
const LARGE_SIZE = '2Gi';
/** With letters that a URL may hold as they are. */
const USER = { name: 'judge', secret: 'a-judges-own-secret' };
const NAMESPACE = 'default';
const SUITE = 'suite';
const LARGE = 'large';

export async function startTgtSubject(): Promise<Subject> {
  const tgt = await startTgt({ portal: '127.0.0.1:3970', sizeBytes: SIZE_BYTES });
  return { name: 'tgt', url: tgt.url, stop: tgt.stop };
}

/** A Keelson volume that may be sanitized, alone in its installation. */
export async function startKeelsonSubject(options: {
  copies: number;
  hasChap: boolean;
}): Promise<KeelsonSubject> {
  const { copies, hasChap } = options;
  const keelson = await startKeelson({ isEmpty: true });
  const make = async (name: string, size: string, replicas: number): Promise<string> => {
    await keelson.api.createVolume({
      ...{ namespace: NAMESPACE, name, size },
      labels: { 'keelson.io/replicas': String(replicas), 'keelson.io/sanitize': 'allow' },
      ...(hasChap ? { chap: { users: [USER], mutual: null, allowsShortSecrets: false } } : {}),
    });
    const { portal, targetName } = await whenServing(keelson, name);
    const user = hasChap ? `${USER.name}%${USER.secret}@` : '';
    return `iscsi://${user}${portal}/${targetName}/0`;
  };
  try {
    const url = await make(SUITE, SIZE, copies - 1);
    const name = `${copies} ${copies === 1 ? 'copy' : 'copies'}${hasChap ? ', CHAP' : ''}`;
    const makeLarge = () => make(LARGE, LARGE_SIZE, 0);
    return { name, url, keelson, makeLarge, stop: keelson.stop };
  } catch (error) {
    await keelson.stop();
    throw error;
  }
}

/** The volume serves with all of its copies. */
export function whenServing(keelson: Keelson, name: string = SUITE) {
  return eventually(`volume ${name} serves`, async () => {
    const volume = await keelson.api.volume({ namespace: NAMESPACE, name });
    const isUp = volume.health === 'healthy' && volume.controller.process === 'ready';
    return isUp ? volume : undefined;
  });
}
