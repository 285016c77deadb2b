import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

const backend = 'http://127.0.0.1:8600';

export default defineConfig({
  plugins: [react()],
  build: {
    outDir: '../src/chengnao/console/static',
    emptyOutDir: true,
    // The map and the charts are chunks of their own, loaded by the pages that draw them.
    chunkSizeWarningLimit: 1200,
  },
  worker: { format: 'es' },
  server: { port: 9100, strictPort: true, proxy: { '/api': backend } },
});
