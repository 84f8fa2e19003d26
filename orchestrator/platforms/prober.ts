import { connect } from 'node:net';
import { systemCodeOf } from '../../replica/common/errors.ts';
import type { Endpoint } from '../model/address-plan.ts';

/** open: somebody listens. refused: nobody does, but the machine says so. silent: no answer. */
export type ProbeResult = 'open' | 'refused' | 'silent';

/** Opens one connection, and closes it. */
export type Probe = (endpoint: Endpoint, limitMs: number) => Promise<ProbeResult>;

export const probeByTcp: Probe = (endpoint, limitMs) => {
  return new Promise((resolve) => {
    const socket = connect(endpoint);
    const end = (result: ProbeResult) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(result);
    };
    // An answer may be there that this process was too busy to see: it is looked at first.
    const timer = setTimeout(() => setImmediate(() => setImmediate(end, 'silent')), limitMs);
    socket.once('connect', () => end('open'));
    socket.once('error', (error) => {
      end(systemCodeOf(error) === 'ECONNREFUSED' ? 'refused' : 'silent');
    });
  });
};
