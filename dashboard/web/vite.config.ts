import { defineConfig } from "vite";

// Every page is an entry of its own; what they share becomes shared chunks.
export default defineConfig({
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    cssCodeSplit: true,
    modulePreload: { polyfill: false },
    emptyOutDir: true,
    rolldownOptions: { input: ["panel.html", "recordings.html", "review.html", "tablet.html", "board.html", "live.html", "share.html", "tablets.html", "console.html", "analytics.html", "lti.html"] },
  },
  // `npm run dev` works on pages while the daemon runs beside it.
  server: {
    proxy: {
      "/api": { target: "http://127.0.0.1:8080", ws: true },
    },
  },
});
