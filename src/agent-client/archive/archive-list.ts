import { ProtocolViolationError } from '../../errors/connection.ts';
import { Fields } from '../wire/control.ts';
import { FrameType } from '../wire/frame.ts';

/** An archive file of the agent. */
export interface AgentArchive {
  readonly key: string;
  readonly bytes: number;
  /** When the file was last written, by the clock of its file system. */
  readonly modifiedAt: Date;
}

/** The maximum number of bytes of a line: a key of 200 characters and two numbers. */
const MAX_LINE = 1024;
const NEWLINE = 0x0a;

/**
 * Yields the archives of a list, one JSON object a line.
 *
 * @throws ProtocolViolationError - the list is not valid
 */
export async function* readArchiveList(list: AsyncIterable<Uint8Array>): AsyncGenerator<AgentArchive> {
  let rest = Buffer.alloc(0);
  for await (const chunk of list) {
    const bytes = Buffer.concat([rest, chunk]);
    let start = 0;
    for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, start)) {
      yield readArchive(bytes.subarray(start, end));
      start = end + 1;
    }
    rest = bytes.subarray(start);
    if (rest.length > MAX_LINE) throw new ProtocolViolationError(`a line of a list has more than ${MAX_LINE} bytes`);
  }
  if (rest.length > 0) throw new ProtocolViolationError('a list ends within a line');
}

function readArchive(line: Buffer): AgentArchive {
  const fields = Fields.parse(FrameType.RESULT, line);
  return {
    key: fields.string('key'),
    bytes: fields.count('bytes'),
    modifiedAt: new Date(fields.count('modifiedMs')),
  };
}
