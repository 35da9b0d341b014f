// A pane that shows one picture; a new picture covers the old one until it is complete.

const OPTIONS = {
  drawer: "canvas",
  showNavigationControl: false,
  showNavigator: false,
  imageSmoothingEnabled: false,
  immediateRender: true,
  animationTime: 0.2,
  maxZoomPixelRatio: 32,
  minZoomImageRatio: 0.5,
  visibilityRatio: 0.3,
  timeout: 60000,
  tileRetryMax: 1,
  tileRetryDelay: 1000,
  tabIndex: -1,
  gestureSettingsMouse: { clickToZoom: false, dblClickToZoom: true },
};

// OpenSeadragon would insert a style, which the policy forbids, unless it finds one. An element of this name that is
// no style of HTML is found, too.
const found = document.createElementNS("urn:clearscope", "style");
found.setAttribute("data-openseadragon-mobile-css", "true");
document.head.append(found);

export class Pane {
  constructor(element, { onFailure, onBusy }) {
    this.viewer = new OpenSeadragon.Viewer({ ...OPTIONS, element });
    this.onBusy = onBusy;
    // The page has keys of its own.
    this.viewer.addHandler("canvas-key", (event) => (event.preventDefaultAction = true));
    this.viewer.addHandler("tile-load-failed", onFailure);
    this.element = element;
    this.newest = 0;
  }

  // Shows tile sources of one size, added up, at the place of the last ones; a picture of another size is shown whole.
  show(sources) {
    const number = ++this.newest;
    const world = this.viewer.world;
    const [{ width, height }] = sources;
    const added = [];
    this.onBusy(true);
    const finish = () => {
      if (added.length < sources.length || !added.every((item) => item.getFullyLoaded())) return;
      for (const item of added) item.removeHandler("fully-loaded-change", finish);
      for (const older of this.items().slice(0, world.getIndexOfItem(added[0]))) world.removeItem(older);
      if (number === this.newest) this.onBusy(false);
    };
    sources.forEach((tileSource, at) => {
      this.viewer.addTiledImage({
        tileSource,
        // The first one covers what was there before.
        compositeOperation: at === 0 ? null : "lighter",
        success: ({ item }) => {
          if (number === 1 || this.size !== `${width} x ${height}`) this.viewer.viewport.goHome(true);
          this.size = `${width} x ${height}`;
          added.push(item);
          item.addHandler("fully-loaded-change", finish);
          finish();
        },
      });
    });
  }

  items() {
    const { world } = this.viewer;
    return Array.from({ length: world.getItemCount() }, (_, index) => world.getItemAt(index));
  }

  // Returns the place in the image, in pixels from the centre of the first one, of a point of the element.
  imagePoint(point) {
    const item = this.items().at(-1);
    const at = item.viewerElementToImageCoordinates(point);
    return { x: at.x - 0.5, y: at.y - 0.5 };
  }

  elementPoint({ x, y }) {
    const item = this.items().at(-1);
    return item?.imageToViewerElementCoordinates(new OpenSeadragon.Point(x + 0.5, y + 0.5));
  }
}

// Moves and zooms two panes together.
export function moveTogether(left, right) {
  let leading = null;
  for (const [moved, other] of [
    [left.viewer, right.viewer],
    [right.viewer, left.viewer],
  ]) {
    moved.addHandler("viewport-change", () => {
      if (leading !== null && leading !== moved) return;
      leading = moved;
      other.viewport.zoomTo(moved.viewport.getZoom(true), null, true);
      other.viewport.panTo(moved.viewport.getCenter(true), true);
      other.forceRedraw();
      leading = null;
    });
  }
}
