// A class: what is recorded, how the lecture looks, the devices, and the four things one does.

import { useSignal } from "@preact/signals";
import { said, t } from "../i18n";
import { ask, room, session, undoLeft, word } from "../room/store";
import { OnAirCard } from "../live/card";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { LayoutDrawing } from "../ui/icons";
import { Devices, Scenes } from "./devices";
import { Extend } from "./extend";
import { Sources } from "./sources";
import { Tablets } from "./tablets";

function Layouts() {
  const layouts = room.value?.layouts ?? [];
  return (
    <section class="card layouts" aria-labelledby="layout-title">
      <h2 id="layout-title">{t("layout")}</h2>
      <div class="layout-list">
        {layouts.map((layout) => (
          <Button
            key={layout}
            class="layout"
            pressed={session.value?.layout === layout}
            disabled={word.value === "ending"}
            act={() => ask("/session/layout", { layout })}
          >
            <LayoutDrawing layout={layout} />
            {said(`layout.${layout}`, layout)}
          </Button>
        ))}
      </div>
    </section>
  );
}

function Actions() {
  const asking = useSignal(false);
  const paused = session.value?.state === "paused";
  return (
    <footer class="actions">
      {paused ? (
        <Button kind="main" icon="resume" class="action-main" act={() => ask("/session/resume")}>
          {t("action.resume")}
        </Button>
      ) : (
        <Button
          kind="pause"
          icon="pause"
          class="action-main"
          disabled={word.value === "none" || word.value === "preparing"}
          act={() => ask("/session/pause")}
        >
          {t("action.pause")}
        </Button>
      )}
      <Extend />
      <Button kind="danger" icon="stop" class="action-end" act={() => void (asking.value = true)}>
        {t("action.end")}
      </Button>
      {asking.value && <EndQuestion close={() => (asking.value = false)} />}
    </footer>
  );
}

function EndQuestion({ close }: { close: () => void }) {
  const scenes = room.value?.scenes.includes("end") === true;
  const delivers = session.value?.recording != null;
  return (
    <Dialog title={t("end.title")} close={close} class="end-dialog">
      <ul class="consequences">
        <li>{t("end.recording")}</li>
        {scenes && <li>{t("end.devices")}</li>}
        {delivers && <li>{t("end.delivery")}</li>}
        <li>{t("end.undo")}</li>
      </ul>
      <div class="dialog-actions">
        <Button local act={close} autofocus>
          {t("end.keep")}
        </Button>
        <Button
          kind="danger"
          icon="stop"
          act={async () => {
            await ask("/session/end", { undo: true });
            close();
          }}
        >
          {t("end.confirm")}
        </Button>
      </div>
    </Dialog>
  );
}

function UndoBar() {
  const left = Math.ceil(undoLeft.value);
  return (
    <footer class="actions undo-bar">
      <div class="undo-words" role="status">
        <strong>{t("undo.title")}</strong>
        <span aria-live="off">{t("undo.text", { n: left })}</span>
      </div>
      <Button kind="main" icon="undo" class="action-main" autofocus act={() => ask("/session/undo")}>
        {t("action.undo")}
      </Button>
      <span class="undo-track" aria-hidden="true">
        <span style={{ transform: `scaleX(${Math.min(1, undoLeft.value / 10)})` }} />
      </span>
    </footer>
  );
}

export function Live() {
  return (
    <>
      <main class="live">
        <div class="stage">
          <Sources />
          <Layouts />
        </div>
        <div class="side">
          <Devices />
          <Tablets />
          <Scenes />
          <OnAirCard />
        </div>
      </main>
      {word.value === "ending" ? <UndoBar /> : <Actions />}
    </>
  );
}
