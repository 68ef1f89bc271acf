// The client's half of the MySQL protocol, as far as the fault proxy needs it. A packet is three bytes of length,
// one of sequence, then the payload; a payload of 2^24 - 1 bytes goes on in the next packet. Sequence 0 begins a
// command; before the first command there is the log-in, which begins with sequence 1 and may have more
// packets. It does not speak TLS or compression: the daemons use neither on loopback.
import type { Piece, Protocol, RequestName } from './request-reader.js';

const header_bytes = 4;
const largest_payload_bytes = 0xff_ff_ff;
const query = 0x03;
const commands = new Map([[0x01, 'QUIT'], [0x02, 'USE'], [0x0e, 'PING'], [0x16, 'PREPARE'], [0x17, 'EXECUTE'], [0x19, 'FORGET'], [0x1f, 'RESET']]);

export const mysqlRequests: Protocol = () => {
  let waiting: Buffer = Buffer.alloc(0);
  /** Packets of a request that goes on in the next one. */
  let begun: Buffer[] = [];
  let logged_in = false;

  function takePacket(): Buffer | null {
    if (waiting.length < header_bytes) return null;
    const length = header_bytes + waiting.readUIntLE(0, 3);
    if (waiting.length < length) return null;
    const packet = waiting.subarray(0, length);
    waiting = waiting.subarray(length);
    return packet;
  }

  function whole(packets: readonly Buffer[]): Piece {
    const [first] = packets;
    const sequence = first?.[3];
    const bytes = Buffer.concat(packets);
    if (sequence === 0) return { bytes, request: nameOfCommand(packets.map((packet) => packet.subarray(header_bytes))) };
    if (logged_in) return { bytes, request: null };
    logged_in = true;
    return { bytes, request: { name: 'LOGIN', text: '' } };
  }

  return {
    push: (bytes) => {
      waiting = Buffer.concat([waiting, bytes]);
      const pieces: Piece[] = [];
      for (let packet = takePacket(); packet !== null; packet = takePacket()) {
        begun.push(packet);
        if (packet.length === header_bytes + largest_payload_bytes) continue;
        pieces.push(whole(begun));
        begun = [];
      }
      return pieces;
    },
  };
};

function nameOfCommand(payloads: readonly Buffer[]): RequestName {
  const payload = Buffer.concat(payloads);
  const command = payload[0] ?? 0;
  const text = payload.subarray(1).toString();
  if (command === query) return { name: nameOfStatement(text), text };
  return { name: commands.get(command) ?? `COMMAND ${command}`, text };
}

/** The first word and the first table: "UPDATE payments_lease", "SELECT blocks", "COMMIT". */
export function nameOfStatement(sql: string): string {
  const verb = /^\s*(\w+)/.exec(sql)?.[1]?.toUpperCase() ?? '?';
  const table = /\b(?:from|into|update|table|join)\s+`?(\w+)/i.exec(sql)?.[1];
  return table === undefined ? verb : `${verb} ${table}`;
}
