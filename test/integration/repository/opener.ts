// The other process of `open-repository.spec.ts`: opens a database and prints its installation id.
import { openRepository } from '../../../src/repository/postgres/open-repository.ts';
import { silentLogger } from '../../support/silent-logger.ts';

const [url = '', schema = ''] = process.argv.slice(2);
const repository = await openRepository(url, { schema, logger: silentLogger });
const { installationId } = await repository.workers.register('worker');
await repository.close();
process.stdout.write(installationId);
