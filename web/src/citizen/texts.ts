import { createContext, use } from 'react';

/** Every text of the citizens' page; Chinese first. */
const texts = {
  title: ['市民上报', 'Report to the city'],
  other: ['English', '中文'],
  mine: ['我的上报', 'My reports'],
  new: ['再报一件', 'Report another matter'],
  lead: ['路灯不亮、水管漏水、垃圾没人收——拍张照，说一句，不用注册。', 'A light out, a pipe leaking, rubbish left: a photo and a few words. No account needed.'],
  urgent: ['有人身危险请立即拨打 110、119、120。', 'Where lives are in danger call 110, 119 or 120 at once.'],
  photos: ['照片（最多 6 张，可不拍）', 'Photos (up to 6, not required)'],
  'photo.add': ['拍照或选图', 'Add a photo'],
  'photo.n': ['照片 {n}', 'Photo {n}'],
  'photo.remove': ['移除照片', 'Remove photo'],
  content: ['发生了什么', 'What is the matter'],
  'content.hint': ['什么问题、多久了、影响到谁', 'What it is, since when, whom it troubles'],
  'content.missing': ['请写一句，或录一段话', 'Write a few words, or record them'],
  'voice.start': ['改用语音说', 'Say it instead'],
  'voice.stop': ['说完了（{seconds} 秒）', 'Done ({seconds} s)'],
  'voice.kept': ['已录音 {seconds} 秒', 'Recorded {seconds} s'],
  'voice.remove': ['删除录音', 'Remove the recording'],
  'voice.refused': ['没有取得麦克风，请改用文字', 'No microphone: please write'],
  'voice.only': ['（语音上报）', '(spoken report)'],
  place: ['在哪里', 'Where'],
  'place.locate': ['用手机定位', 'Use my position'],
  'place.locating': ['正在定位…', 'Finding the position…'],
  'place.consent': ['位置只用于这一件上报。', 'The position is used for this report only.'],
  'place.refused': ['没有取得定位，请在地图上点选，或选择区县并写明地址', 'No position: tap the map, or choose a district and write the address'],
  'place.got': ['已定位 {lon}, {lat}', 'Position {lon}, {lat}'],
  'place.remove': ['清除', 'Clear'],
  'place.map': ['在地图上点选', 'Tap on a map'],
  'place.map.label': ['点一下地图选择位置，拖动移动，用按钮缩放', 'Tap to set the place, drag to move, zoom with the buttons'],
  'place.zoom.in': ['放大', 'Zoom in'],
  'place.zoom.out': ['缩小', 'Zoom out'],
  'place.division': ['区县', 'District'],
  'place.division.none': ['不确定', 'Not sure'],
  'place.address': ['详细地址或附近的标志物', 'Address, or what is nearby'],
  'place.missing': ['请定位、在地图上点选，或选择区县', 'Use your position, tap the map, or choose a district'],
  contact: ['留下联系方式（可不填）', 'Your contact (not required)'],
  name: ['称呼', 'Name'],
  phone: ['电话', 'Telephone'],
  'phone.wrong': ['电话只能含数字、+ 和 -，5 至 20 位', 'A telephone number has 5 to 20 digits, + or -'],
  privacy: [
    '不留姓名也会办理。姓名、电话和原话加密保存，只有需要与您联系的办理人员能看，每次查看都有记录。照片会去掉拍摄位置信息。',
    'Nameless reports are handled too. Name, telephone and your own words are kept encrypted; only whoever must reach you may read them, and each reading is put on record. The position stored inside photos is removed.',
  ],
  submit: ['提交', 'Send'],
  full: ['手机存储已满或不可用，没有保存。请清理空间后重试。', 'This phone has no room to keep it. Nothing was saved: free some space and try again.'],
  'queued.title': ['已存在手机上', 'Kept on this phone'],
  queued: ['有网络后自动发送，只会送达一次。可以关掉页面，不用再填。', 'It is sent when there is a network, once. You may close this page; there is nothing to fill in again.'],
  'queued.now': ['立即重试', 'Try now'],
  sending: ['正在发送…', 'Sending…'],
  'refused.title': ['没有收下', 'Not taken'],
  'refused.edit': ['修改后再提交', 'Change and send again'],
  'refused.drop': ['放弃', 'Give up'],
  number: ['查询号', 'Tracking number'],
  code: ['查询码', 'Code'],
  'number.keep': ['凭查询号和查询码随时查看进展，也保存在这部手机上。', 'With number and code you can look any time. Both are kept on this phone too.'],
  copy: ['复制', 'Copy'],
  copied: ['已复制', 'Copied'],
  find: ['用查询号查进展', 'Look up a report'],
  'find.submit': ['查看', 'Look'],
  'mine.none': ['这部手机上还没有上报记录', 'Nothing reported from this phone yet'],
  'mine.note': ['记录只存在这部手机上。', 'This list is kept on this phone only.'],
  forget: ['从这部手机移除', 'Remove from this phone'],
  'forget.sure': ['移除后需用查询号和查询码查看，确定吗？', 'You will need number and code to look again. Remove it?'],
  asof: ['没有网络，以下是 {time} 的情况', 'No network: this is how it stood at {time}'],
  renew: ['刷新', 'Refresh'],
  'state.unit': ['办理单位', 'Handled by'],
  'state.unit.none': ['尚未分派', 'Not assigned yet'],
  'state.due': ['期限', 'Due by'],
  'state.overdue': ['已超期', 'overdue'],
  'state.others': ['另有 {n} 人反映同一件事，已合并办理', '{n} others reported the same; it is handled as one'],
  'state.steps': ['办理过程', 'What has been done'],
  'state.answer': ['答复', 'Answer'],
  'state.answered': ['{time} 答复', 'Answered {time}'],
  'rate.title': ['问题解决了吗', 'Is it solved'],
  'rate.solved': ['解决了', 'Solved'],
  'rate.unsolved': ['没有解决', 'Not solved'],
  'rate.stars': ['打几分', 'How satisfied'],
  'rate.star': ['{n} 分', '{n} of 5'],
  'rate.comment': ['想说的话（可不填）', 'Anything to add'],
  'rate.submit': ['提交评价', 'Send'],
  'rate.reopens': ['选“没有解决”会重新办理。', '“Not solved” opens the matter again.'],
  'rate.done': ['您已评价：{n} 分', 'You gave {n} of 5'],
  'rate.reopened': ['已重新办理', 'The matter was opened again'],
} as const satisfies Record<string, readonly [string, string]>;

export type Lang = 'zh' | 'en';
export type Key = keyof typeof texts;

export interface Texts {
  lang: Lang;
  t: (key: Key, params?: Record<string, string | number>) => string;
}

export const textsIn = (lang: Lang): Texts => ({
  lang,
  t: (key, params = {}) => texts[key][lang === 'zh' ? 0 : 1].replace(/\{(\w+)\}/g, (whole, name: string) => String(params[name] ?? whole)),
});

export const TextsContext = createContext<Texts>(textsIn('zh'));
export const useTexts = () => use(TextsContext);
