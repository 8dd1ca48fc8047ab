import { expect } from 'chai';
import {
  type FileKind,
  type FileLister,
  type PlannedMount,
  planRoot,
  type RootStep,
  resolveLinks,
} from '../../../../src/embedded/isolation/root-plan.ts';

/** A machine as a list of paths: `/a/` is a directory, `/a` a file, `/a -> b` a link. */
function machine(...entries: readonly string[]): FileLister {
  const kinds = new Map<string, FileKind>([['/', 'directory']]);
  const links = new Map<string, string>();
  for (const entry of entries) {
    const [path = '', target] = entry.split(' -> ');
    if (target !== undefined) links.set(path, target);
    kinds.set(
      path.endsWith('/') ? path.slice(0, -1) : path,
      target !== undefined ? 'symlink' : path.endsWith('/') ? 'directory' : 'file',
    );
  }
  return {
    kind: (path) => kinds.get(path),
    list: (path) =>
      [...kinds.keys()]
        .filter((each) => each !== '/' && each.slice(0, each.lastIndexOf('/')) === (path === '/' ? '' : path))
        .map((each) => each.slice(each.lastIndexOf('/') + 1)),
    readLink: (path) => links.get(path) ?? '',
  };
}

const machineLister = machine(
  '/usr/',
  '/usr/bin/',
  '/bin -> usr/bin',
  '/home/',
  '/home/me/',
  '/home/notes',
  '/run/',
  '/var/',
  '/var/run -> /run',
  '/init',
  '/proc/',
  '/tmp/',
  '/tmp/old',
);

function mount(path: string, kind: 'directory' | 'file' = 'directory'): PlannedMount {
  return { path, source: `/volumes${path}`, kind, readOnly: false };
}

function plan(mounts: readonly PlannedMount[], directories: readonly string[] = []): string[] {
  return planRoot({ mounts, directories, reserved: ['proc', 'tmp'], lister: machineLister }).map(show);
}

function show(step: RootStep): string {
  if (step.step === 'symlink') return `symlink ${step.path} ${step.target}`;
  if (step.step === 'bind')
    return `${step.recursive ? 'rbind' : 'bind'} ${step.source} ${step.path}${step.readOnly ? ' ro' : ''}`;
  return `${step.step} ${step.path}`;
}

describe('planRoot', () => {
  it('binds the top-level directories, copies links, and leaves reserved directories empty', () => {
    const steps = plan([]);
    expect(steps).to.include.members([
      'directory /proc',
      'directory /tmp',
      'directory /usr',
      'rbind /usr /usr',
      'symlink /bin usr/bin',
      'file /init',
      'bind /init /init',
    ]);
    expect(
      steps.some((step) => step.includes('old') || step.startsWith('rbind /proc') || step.startsWith('rbind /tmp')),
    ).to.equal(false);
  });

  it('creates a mount point that the machine lacks in the new root only', () => {
    expect(plan([mount('/.kw')])).to.include.members([
      'directory /.kw',
      'rbind /volumes/.kw /.kw',
      'rbind /home /home',
    ]);
  });

  it('binds over an existing directory of the machine', () => {
    const steps = plan([mount('/home/me')]);
    expect(steps.filter((step) => step.includes('/home'))).to.deep.equal([
      'directory /home',
      'rbind /home /home',
      'rbind /volumes/home/me /home/me',
    ]);
  });

  it('binds the entries of a directory one by one where a part of the mount path is missing', () => {
    const steps = plan([mount('/home/x/y')]);
    expect(steps.filter((step) => step.includes('/home'))).to.deep.equal([
      'directory /home',
      'directory /home/x',
      'directory /home/x/y',
      'directory /home/me',
      'rbind /home/me /home/me',
      'file /home/notes',
      'bind /home/notes /home/notes',
      'rbind /volumes/home/x/y /home/x/y',
    ]);
  });

  it('creates a file for the mount of a file', () => {
    expect(plan([mount('/opt/tool', 'file')])).to.include.members([
      'directory /opt',
      'file /opt/tool',
      'rbind /volumes/opt/tool /opt/tool',
    ]);
  });

  it('replaces a file of the machine by the mount point of a directory', () => {
    const steps = plan([mount('/home/notes')]);
    expect(steps).to.include('directory /home/notes');
    expect(steps).to.not.include('bind /home/notes /home/notes');
  });

  it('follows the links of the machine on the way to a mount', () => {
    const steps = plan([mount('/var/run/secret')]);
    expect(steps).to.include.members(['directory /run/secret', 'rbind /volumes/var/run/secret /run/secret']);
  });

  it('mounts outer directories before inner ones, and leaves the inner mount point to the outer volume', () => {
    const steps = plan([mount('/work/in/deep'), mount('/work')]);
    expect(steps.filter((step) => step.includes('/work'))).to.deep.equal([
      'directory /work',
      'rbind /volumes/work /work',
      'rbind /volumes/work/in/deep /work/in/deep',
    ]);
  });

  it('creates a working directory that no mount provides', () => {
    expect(plan([], ['/builds/one'])).to.include.members(['directory /builds', 'directory /builds/one']);
    expect(plan([mount('/builds')], ['/builds/one'])).to.not.include('directory /builds/one');
  });

  it('creates mount points in the reserved directories', () => {
    expect(plan([mount('/tmp/old')])).to.include.members([
      'directory /tmp',
      'directory /tmp/old',
      'rbind /volumes/tmp/old /tmp/old',
    ]);
  });

  it('never writes outside the new root: creates every directory and file before a bind covers its parent', () => {
    const steps = planRoot({
      mounts: [mount('/home/x/y'), mount('/usr/bin/z')],
      directories: [],
      reserved: ['proc', 'tmp'],
      lister: machineLister,
    });
    const bound: string[] = [];
    for (const step of steps) {
      if (step.step === 'bind') bound.push(step.path);
      else
        expect(
          bound.some((path) => step.path.startsWith(`${path}/`)),
          `${show(step)} lies within a bind`,
        ).to.equal(false);
    }
  });
});

describe('resolveLinks', () => {
  it('resolves relative and absolute links and dots as if the machine were the root', () => {
    expect(resolveLinks('/bin/tool', machineLister)).to.equal('/usr/bin/tool');
    expect(resolveLinks('/var/run/../x', machineLister)).to.equal('/var/x');
    expect(resolveLinks('/var/run/a', machineLister)).to.equal('/run/a');
  });

  it('follows a link whose target leads through a parent', () => {
    const lister = machine('/data/', '/srv/', '/srv/link -> ../data', '/srv/up -> ../../..');
    expect(resolveLinks('/srv/link/x', lister)).to.equal('/data/x');
    expect(resolveLinks('/srv/up/x', lister)).to.equal('/x');
  });

  it('stops at links that form a cycle', () => {
    expect(resolveLinks('/a/x', machine('/a -> b', '/b -> a'))).to.match(/^\/[ab]\/x$/);
  });
});
