import { createHash } from 'node:crypto';
import type { Cryptography } from '../../../controller/iscsi/chap.ts';
import { IMMEDIATE, REQUEST } from '../../../controller/iscsi/constants.ts';
import type { TargetEffect, TargetEvent } from '../../../controller/iscsi/step.ts';
import { IscsiTarget } from '../../../controller/iscsi/target.ts';
import {
  INITIATOR_NAME,
  makePdu,
  TARGET_NAME,
  TestInitiator,
} from '../../support/initiator-pdus.ts';
import type { SeededRandom } from '../../support/random.ts';
import { counted, InputReader } from '../input.ts';
import { anyText, chapTexts, introduction } from '../login-texts.ts';
import { mutate } from '../mutate.ts';
import { PortalOracle } from '../portal-oracle.ts';
import { expectThat, type FuzzTarget } from '../target.ts';

/** No initiator of this test knows it. */
const SECRET = 'correct-horse-battery-staple';

/** What a step of the input does; the rest are login requests. */
const STEP = { OTHER_PDU: 0, REOPEN: 1, TICK: 2, SWITCH: 3, LAST: 3 } as const;
const CONNECTIONS = 3;
const SLOW_TICK_MS = 7_000;

/** Flags of login requests that make sense: stages 0 to 1, 1 to 3, 0 to 3, within 0, within 1. */
const FLAGS = [0x81, 0x87, 0x83, 0x00, 0x04, 0x40, 0x44] as const;

/**
 * Input: a byte that says what is asked of initiators (bit 0 CHAP, bit 1 access list), then steps.
 * A login request is: a byte above `STEP.LAST`, flags, an offset and a value that replace one byte
 * of its header (an offset beyond it: none), and its text.
 */
export const login: FuzzTarget = {
  name: 'login',

  generate(random: SeededRandom): Buffer {
    if (random.chance(0.3)) {
      const texts = chapTexts(random).map((text) => encodeRequest(0, text, random));
      return mutate(Buffer.concat([Buffer.from([1]), ...texts]), random, 2);
    }
    const steps = Array.from({ length: 1 + random.below(6) }, (_, index) => {
      if (random.chance(0.1)) return random.bytes(1 + random.below(60));
      const text = index === 0 ? introduction(random) : anyText(random);
      return encodeRequest(random.pick(FLAGS), text, random);
    });
    return mutate(Buffer.concat([Buffer.from([random.below(4)]), ...steps]), random, 2);
  },

  check(input: Buffer): void {
    const reader = new InputReader(input);
    const options = reader.byte();
    const play = new Play((options & 1) !== 0, (options & 2) !== 0);
    while (!reader.isAtEnd) play.step(reader);
    play.end();
  },
};

function encodeRequest(flags: number, text: Buffer, random: SeededRandom): Buffer {
  const patch = random.chance(0.2) ? [random.below(48), random.below(256)] : [255, 0];
  return Buffer.concat([
    Buffer.from([STEP.LAST + 1, flags, ...patch]),
    counted(random.chance(0.3) ? mutate(text, random) : text),
  ]);
}

class Play {
  readonly #target: IscsiTarget;
  readonly #oracle = new PortalOracle();
  readonly #needsProof: boolean;
  #connection = 1;
  #lastConnection = CONNECTIONS;
  #nowMs = 0;

  constructor(needsProof: boolean, hasAccessList: boolean) {
    this.#needsProof = needsProof;
    this.#target = makeTarget(needsProof, hasAccessList);
    for (let connection = 1; connection <= CONNECTIONS; connection += 1) this.#open(connection);
  }

  step(reader: InputReader): void {
    const kind = reader.byte();
    switch (kind) {
      case STEP.OTHER_PDU: {
        const header = Buffer.concat([reader.bytes(48), Buffer.alloc(48)]).subarray(0, 48);
        this.#receive(header, reader.counted());
        return;
      }
      case STEP.REOPEN:
        this.#feed({ kind: 'closed', connection: this.#connection, nowMs: this.#nowMs });
        this.#lastConnection += 1;
        this.#open(this.#lastConnection);
        return;
      case STEP.TICK:
        this.#nowMs += SLOW_TICK_MS;
        this.#feed({ kind: 'tick', nowMs: this.#nowMs });
        return;
      case STEP.SWITCH:
        this.#connection = 1 + reader.below(this.#lastConnection);
        return;
      default:
        this.#logIn(reader);
    }
  }

  /** Whatever there was, everything is closed in the end and a good initiator is served. */
  end(): void {
    for (let connection = 1; connection <= this.#lastConnection; connection += 1) {
      this.#feed({ kind: 'closed', connection, nowMs: this.#nowMs });
    }
    expectThat(this.#oracle.nexuses.size === 0, 'a nexus outlives its connection');
    expectThat(this.#target.sessionCount() === 0, 'a session outlives its connection');
    if (this.#needsProof) return;
    new TestInitiator(this.#target, this.#lastConnection + 1).login();
    expectThat(this.#target.sessionCount() === 1, 'a good initiator is not let in');
  }

  #logIn(reader: InputReader): void {
    const flags = reader.byte();
    const [offset, value] = [reader.byte(), reader.byte()];
    const { header, data } = makePdu({
      opcode: REQUEST.LOGIN | IMMEDIATE,
      flags,
      itt: 7,
      words: { 8: 0x00023d00 },
      bytes: { 13: this.#connection },
      data: reader.counted(),
    });
    if (offset < header.length) header[offset] = value;
    this.#receive(header, data);
  }

  #receive(header: Buffer, data: Buffer): void {
    const pdu = { header, ahs: Buffer.alloc(0), data };
    this.#feed({ kind: 'pdu', connection: this.#connection, pdu, nowMs: this.#nowMs });
  }

  #open(connection: number): void {
    this.#connection = connection;
    this.#feed({ kind: 'opened', connection, peer: '192.0.2.9:4000', nowMs: this.#nowMs });
  }

  #feed(event: TargetEvent): void {
    const effects: TargetEffect[] = [];
    this.#target.step(event, effects);
    expectThat(effects.length <= 64, 'one PDU has many effects', effects.length);
    this.#oracle.see(effects);
    const isLetIn = effects.some(({ kind }) => kind === 'nexus-opened');
    expectThat(!(isLetIn && this.#needsProof), 'an initiator without the secret is let in');
    const answers = effects.filter(({ kind }) => kind === 'send').map((effect) => show(effect));
    expectThat(!answers.some((text) => text.includes(SECRET)), 'an answer holds the secret');
  }
}

function show(effect: TargetEffect): string {
  return effect.kind === 'send' ? (effect.data?.toString('latin1') ?? '') : '';
}

function makeTarget(needsProof: boolean, hasAccessList: boolean): IscsiTarget {
  const config = {
    ...{ targetName: TARGET_NAME, targetAlias: 'default/vol1' },
    ...{ portal: '127.0.1.1:3260', portalGroupTag: 1 as const },
  };
  const users = [{ name: 'user', secret: SECRET }];
  const mutual = { name: 'target', secret: 'another-secret-of-ours' };
  const chap = needsProof ? { users, mutual, allowsShortSecrets: false } : null;
  const initiators = hasAccessList ? [INITIATOR_NAME] : [];
  return new IscsiTarget(config, { access: { initiators, chap }, cryptography: foreseeable() });
}

/** Always the same challenges, so that an input always does the same. */
function foreseeable(): Cryptography {
  let count = 0;
  return {
    randomBytes: (length) => {
      count += 1;
      return Buffer.alloc(length, count);
    },
    hash: (name, bytes) => createHash(name).update(bytes).digest(),
    isEqual: (a, b) => a.equals(b),
  };
}
