import { MAX_VOLUME_BYTES } from '../../replica/common/limits.ts';
import { Replica } from '../../replica/core/replica.ts';
import type { ReplicaEffect, ReplicaEvent } from '../../replica/core/step.ts';
import {
  FLAG,
  MAX_PAYLOAD_BYTES,
  MAX_WELCOME_BYTES,
  OPCODE,
  PROTOCOL_VERSION,
  STATUS,
} from '../../replica/protocol/constants.ts';
import { checkHeader, encodeFrame, type Frame } from '../../replica/protocol/frame.ts';
import { encodeJson, PROOF_BYTES } from '../../replica/protocol/hello.ts';
import { HotExtents } from '../../replica/store/hot-extents.ts';
import { JOURNAL_BYTES, readJournal } from '../../replica/store/journal-content.ts';
import {
  chooseRecord,
  encodeSlot,
  METADATA_FILE_BYTES,
  type Metadata,
} from '../../replica/store/metadata-record.ts';
import { RegionMap } from '../../replica/store/region-map.ts';
import { expectThat } from './target.ts';

const METADATA: Metadata = {
  ...{ volumeId: 'v1', replicaId: 'r1', dataId: 'd1', sizeBytes: 64 * 1024 ** 2, epoch: 5 },
  ...{ instanceId: 'i5', session: 7, bootId: 'boot', mayLackWrites: false, leaseHolders: [] },
  ...{ isPristine: true, attribute: '', journalKept: 0 },
};
const CONNECTION_LIMIT = 1_000_000;

/**
 * A replica's core between a stream of frames and a disk that always works, and what must hold of
 * everything it asks for. A HELLO in the stream stands for one whose proof was right.
 */
export class ReplicaPlay {
  readonly #replica: Replica;
  #connection = 0;
  #isOpen = false;
  #sizeBytes = METADATA.sizeBytes;
  #nowMs = 0;
  #sequence = 0;
  /** Starts of fdatasync and save that are owed an end. */
  #owed: ReplicaEvent[] = [];

  constructor() {
    const { sizeBytes } = METADATA;
    this.#replica = new Replica({
      ...{ metadata: METADATA, bootId: 'boot' },
      journal: readJournal(Buffer.alloc(JOURNAL_BYTES), METADATA, 'boot'),
      ...{ hot: new HotExtents(sizeBytes), regions: new RegionMap(sizeBytes) },
    });
    this.#hello(6, 'i6');
  }

  receive(frame: Frame): void {
    this.#nowMs += frame.status % 1000;
    if (frame.opcode === OPCODE.HELLO) {
      this.#hello(1 + (frame.seq % 64), `i${frame.flags}`);
    } else {
      const connection = this.#connection;
      this.#feed({ kind: 'frame', connection, frame, nowMs: this.#nowMs });
    }
    // A turn ends now and then, so that more than one request waits for the disk at a time.
    if (frame.seq % 3 === 0) this.#endTurn();
  }

  end(): void {
    for (let turn = 0; turn < 20; turn += 1) this.#endTurn();
    expectThat(this.#replica.heldBytes === 0, 'requests wait though the disk is at rest');
    this.#connection = CONNECTION_LIMIT;
    this.#hello(1000, 'a good controller');
    expectThat(this.#isOpen, 'a good controller is not let in');
  }

  #hello(epoch: number, instanceId: string): void {
    this.#connection += 1;
    this.#isOpen = true;
    const { volumeId, replicaId, dataId } = METADATA;
    const hello = {
      ...{ protocolVersion: PROTOCOL_VERSION, volumeId, replicaId, dataId, session: 0 },
      ...{ epoch, instanceId, nonce: 'n' },
    };
    this.#feed({ kind: 'hello', connection: this.#connection, hello, nowMs: this.#nowMs });
  }

  #endTurn(): void {
    for (const event of this.#owed.splice(0)) this.#feed(event);
    this.#feed({ kind: 'turn-ended' });
  }

  #feed(event: ReplicaEvent): void {
    const effects: ReplicaEffect[] = [];
    this.#replica.step(event, effects);
    for (const effect of effects) this.#carryOut(effect);
  }

  #carryOut(effect: ReplicaEffect): void {
    switch (effect.kind) {
      case 'persist':
        this.#persist(effect.metadata);
        return;
      case 'welcome': {
        const bytes = PROOF_BYTES + encodeJson(effect.welcome).length;
        expectThat(bytes <= MAX_WELCOME_BYTES, 'a welcome that no controller takes', bytes);
        return;
      }
      case 'refuse':
      case 'close':
        if (effect.connection === this.#connection) this.#isOpen = false;
        return;
      case 'read':
      case 'hash':
      case 'map':
        this.#expectWithin(effect.frame);
        return;
      case 'write':
      case 'trim':
        this.#change(effect.frame);
        return;
      case 'grow':
        expectThat(effect.frame.offset > this.#sizeBytes, 'a copy grows to less');
        expectThat(effect.frame.offset <= MAX_VOLUME_BYTES, 'a copy grows beyond the limit');
        this.#sizeBytes = effect.frame.offset;
        this.#executed(effect.frame, STATUS.OK);
        return;
      case 'reserve':
        this.#reserve(effect);
        return;
      case 'note':
        return;
      case 'reply':
        expectReply(effect);
        return;
      case 'fdatasync':
        this.#owed.push({ kind: 'synced', failure: undefined });
        return;
      case 'save':
        this.#owed.push({ kind: 'saved', failure: undefined });
        return;
      case 'stop':
        throw new Error(`the replica stops: ${effect.reason}`);
    }
  }

  #change(frame: Frame): void {
    this.#expectWithin(frame);
    if (frame.opcode === OPCODE.WRITE) {
      const isRaw = (frame.flags & FLAG.LZ4) === 0;
      expectThat(!isRaw || frame.payload.length === frame.length, 'a write of another length');
    }
    const isReserved = (frame.flags & (FLAG.ATOMIC | FLAG.STAGED)) !== 0;
    const isFull = frame.seq % 7 === 6 && !isReserved;
    this.#executed(frame, isFull ? STATUS.NO_SPACE : STATUS.OK);
  }

  #reserve({ connection, frames }: Extract<ReplicaEffect, { kind: 'reserve' }>): void {
    for (const frame of frames) this.#expectWithin(frame);
    const isFull = frames[0]!.seq % 7 === 6;
    const status = isFull ? STATUS.NO_SPACE : STATUS.OK;
    this.#feed({ kind: 'reserved', connection, status });
  }

  #executed(frame: Frame, status: typeof STATUS.OK | typeof STATUS.NO_SPACE): void {
    this.#feed({ kind: 'executed', connection: this.#connection, frame, status });
  }

  #expectWithin({ opcode, offset, length }: Frame): void {
    const isWithin = length > 0 && offset >= 0 && offset + length <= this.#sizeBytes;
    expectThat(isWithin, 'I/O outside of the copy', { opcode, offset, length });
  }

  /** What is to be kept can be kept, and read again. */
  #persist(metadata: Metadata): void {
    this.#sequence += 1;
    const file = Buffer.alloc(METADATA_FILE_BYTES);
    encodeSlot({ metadata, sequence: this.#sequence }).copy(file);
    const again = chooseRecord(file).metadata;
    expectThat(JSON.stringify(again) === JSON.stringify(metadata), 'metadata is read otherwise');
  }
}

function expectReply(effect: Extract<ReplicaEffect, { kind: 'reply' }>): void {
  const payload = effect.payload ?? Buffer.alloc(0);
  expectThat(payload.length <= MAX_PAYLOAD_BYTES, 'a reply that no controller takes');
  const { opcode, seq, status } = effect;
  const checked = checkHeader(encodeFrame({ opcode, seq, status }, payload), 0);
  expectThat(checked.ok, 'a reply that is no frame', checked);
}
