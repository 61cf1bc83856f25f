// A still from the camera. It runs only while its window is open.

/**
 * Open the camera's window and wait for a picture.
 *
 * @returns {Promise<Blob | null>} a PNG; null when the window was closed without one.
 * @throws {DOMException} there is no camera, or it is not allowed.
 */
export async function openCamera(dialog, video, take, close) {
  const stream = await navigator.mediaDevices.getUserMedia({
    video: { facingMode: 'user', width: { ideal: 1920 }, height: { ideal: 1080 } },
  });
  video.srcObject = stream;
  dialog.showModal();
  try {
    return await new Promise((resolve) => {
      take.onclick = async () => resolve(await still(video));
      close.onclick = () => resolve(null);
      dialog.onclose = () => resolve(null);
    });
  } finally {
    for (const track of stream.getTracks()) track.stop();
    video.srcObject = null;
    dialog.close();
  }
}

async function still(video) {
  if (video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) {
    await new Promise((resolve) => video.addEventListener('loadeddata', resolve, { once: true }));
  }
  const canvas = document.createElement('canvas');
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  canvas.getContext('2d').drawImage(video, 0, 0);
  return new Promise((resolve) => {
    canvas.toBlob(resolve, 'image/png');
  });
}
