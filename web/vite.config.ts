import react from '@vitejs/plugin-react';
import { build, defineConfig, type Plugin, type Rolldown } from 'vite';

const backend = 'http://127.0.0.1:8600';
const outDir = '../src/chengnao/console/static';

/** The parts of the site that open without a network: by scope, the page and the modules that it needs then. */
const offline: Record<string, { page: string; modules: string[] }> = {
  '/': { page: '/index.html', modules: ['index.html', 'src/pages/tasks/TasksPage.tsx', 'src/pages/patrol/PatrolPage.tsx'] },
  '/citizen': { page: '/citizen.html', modules: ['citizen.html'] },
};

/** Builds the service worker as one file, told which files of this build to keep. */
function serviceWorker(): Plugin {
  let shells = {};
  let target = outDir;
  return {
    name: 'service-worker',
    apply: 'build',
    async writeBundle(options, bundle) {
      target = options.dir ?? outDir;
      const chunks = Object.values(bundle).filter((each) => each.type === 'chunk');
      const filesOf = (chunk: Rolldown.OutputChunk, found: Set<string>): Set<string> => {
        if (found.has(chunk.fileName)) return found;
        const { importedCss, importedAssets } = (chunk as { viteMetadata?: { importedCss: Set<string>; importedAssets: Set<string> } }).viteMetadata ?? {};
        for (const file of [chunk.fileName, ...(importedCss ?? []), ...(importedAssets ?? [])]) found.add(file);
        for (const name of chunk.imports) {
          const next = chunks.find(({ fileName }) => fileName === name);
          if (next) filesOf(next, found);
        }
        return found;
      };
      const parts = Object.entries(offline).map(async ([scope, { page, modules }]) => {
        const wanted = chunks.filter(({ facadeModuleId: id }) => modules.some((module) => id?.endsWith(`/${module}`)));
        if (wanted.length < modules.length) this.error(`not in the build: ${modules.join(', ')}`);
        const found = wanted.reduce((all, chunk) => filesOf(chunk, all), new Set<string>());
        const files = [page, '/mark.svg', ...[...found].sort().map((name) => `/${name}`)];
        const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(files.join()));
        return [scope, { page, files, version: [...new Uint8Array(digest, 0, 6)].join('-') }];
      });
      shells = Object.fromEntries(await Promise.all(parts));
    },
    async closeBundle() {
      await build({
        configFile: false,
        logLevel: 'warn',
        define: { __SHELLS__: JSON.stringify(shells) },
        build: {
          outDir: target,
          emptyOutDir: false,
          copyPublicDir: false,
          lib: { entry: 'src/offline/worker.ts', formats: ['iife'], name: 'worker', fileName: () => 'sw.js' },
        },
      });
    },
  };
}

export default defineConfig({
  plugins: [react(), serviceWorker()],
  build: {
    outDir,
    emptyOutDir: true,
    rollupOptions: { input: ['index.html', 'citizen.html'] },
    // The map and the charts are chunks of their own, loaded by the pages that draw them.
    chunkSizeWarningLimit: 1200,
  },
  worker: { format: 'es' },
  // The outlines of the divisions are the package's own file.
  server: { port: 9100, strictPort: true, proxy: { '/api': backend }, fs: { allow: ['..'] } },
});
