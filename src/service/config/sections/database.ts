import { z } from 'zod';

import { durationMs, key, path, type Shape, section } from '../section.ts';

/** The PostgreSQL database. */
export interface DatabaseSection {
  readonly url?: string | undefined;
  readonly urlFile?: string | undefined;
  readonly passwordFile?: string | undefined;
  readonly migrate: boolean;
  readonly startTimeoutMs: number;
}

const shape: Shape<DatabaseSection> = {
  url: key(
    z
      .string()
      .regex(/^postgres(ql)?:\/\/\S+$/)
      .optional(),
    {
      description:
        'The URL of the database. With a password in it, it is accepted from the variable only: a configuration file ' +
        'and the arguments of a process are no place for secrets.',
      example: 'postgres://ci@db.example:5432/ci',
      secret: true,
      unset: '`database.urlFile`',
    },
  ),
  urlFile: key(path.optional(), {
    description:
      'The path of a file with the URL of the database, instead of `database.url`. The file is read again when no ' +
      'connection can be opened.',
    example: '/run/secrets/database/url',
    unset: '`database.url`',
  }),
  passwordFile: key(path.optional(), {
    description:
      'The path of a file with the password, for a URL without one. The file is read again when no connection can be ' +
      'opened.',
    example: '/run/secrets/database/password',
    unset: 'the password of the URL',
  }),
  migrate: key(z.boolean().default(true), {
    description: 'Whether `serve` migrates the schema of the database to the version of the program.',
    example: false,
  }),
  startTimeoutMs: key(durationMs.default(300_000), {
    description:
      'How long `serve` retries at its start while the database does not answer or lacks a migration that another ' +
      'program has to apply. Then it ends with exit code 69.',
    example: 60_000,
  }),
};

export const databaseSection: z.ZodType<DatabaseSection> = section(shape);
