/**
 * The numbers of rtnetlink, from linux/netlink.h, linux/rtnetlink.h, linux/if_link.h, linux/if_addr.h, linux/neighbour.h, linux/veth.h,
 * linux/net_namespace.h, linux/pkt_sched.h, linux/pkt_cls.h and linux/if.h. They keep the kernel's names so that a test can compare every one of them with the C headers.
 */
export const NETLINK = {
  AF_NETLINK: 16,
  NETLINK_ROUTE: 0,
  SOL_NETLINK: 270,
  NETLINK_CAP_ACK: 10,
  NETLINK_EXT_ACK: 11,
  NETLINK_GET_STRICT_CHK: 12,

  NLM_F_REQUEST: 0x1,
  NLM_F_ACK: 0x4,
  NLM_F_ECHO: 0x8,
  NLM_F_DUMP_INTR: 0x10,
  NLM_F_DUMP: 0x300,
  NLM_F_REPLACE: 0x100,
  NLM_F_EXCL: 0x200,
  NLM_F_CREATE: 0x400,
  NLM_F_CAPPED: 0x100,
  NLM_F_ACK_TLVS: 0x200,
  NLMSG_ERROR: 2,
  NLMSG_DONE: 3,
  NLMSGERR_ATTR_MSG: 1,
  NLA_F_NESTED: 0x8000,
  NLA_TYPE_MASK: 0x3fff,

  RTM_NEWLINK: 16,
  RTM_DELLINK: 17,
  RTM_GETLINK: 18,
  RTM_NEWADDR: 20,
  RTM_DELADDR: 21,
  RTM_GETADDR: 22,
  RTM_NEWROUTE: 24,
  RTM_DELROUTE: 25,
  RTM_GETROUTE: 26,
  RTM_NEWNEIGH: 28,
  RTM_DELNEIGH: 29,
  RTM_GETNEIGH: 30,
  RTM_NEWQDISC: 36,
  RTM_DELQDISC: 37,
  RTM_GETQDISC: 38,
  RTM_NEWTFILTER: 44,
  RTM_DELTFILTER: 45,
  RTM_GETTFILTER: 46,
  RTM_GETNSID: 90,

  RTMGRP_LINK: 1,
} as const;

export const LINK = {
  IFLA_ADDRESS: 1,
  IFLA_IFNAME: 3,
  IFLA_MTU: 4,
  IFLA_LINK: 5,
  IFLA_MASTER: 10,
  IFLA_OPERSTATE: 16,
  IFLA_LINKINFO: 18,
  IFLA_NET_NS_FD: 28,
  IFLA_EXT_MASK: 29,
  IFLA_NUM_TX_QUEUES: 31,
  IFLA_NUM_RX_QUEUES: 32,
  IFLA_LINK_NETNSID: 37,
  IFLA_XDP: 43,
  IFLA_INFO_KIND: 1,
  IFLA_INFO_DATA: 2,
  IFLA_VLAN_ID: 1,
  VETH_INFO_PEER: 1,
  RTEXT_FILTER_SKIP_STATS: 8,

  IFLA_XDP_FD: 1,
  IFLA_XDP_ATTACHED: 2,
  IFLA_XDP_FLAGS: 3,
  IFLA_XDP_PROG_ID: 4,
  IFLA_XDP_DRV_PROG_ID: 5,
  IFLA_XDP_SKB_PROG_ID: 6,
  IFLA_XDP_HW_PROG_ID: 7,
  IFLA_XDP_EXPECTED_FD: 8,
  XDP_FLAGS_UPDATE_IF_NOEXIST: 1,
  XDP_FLAGS_SKB_MODE: 2,
  XDP_FLAGS_DRV_MODE: 4,
  XDP_FLAGS_HW_MODE: 8,
  XDP_FLAGS_REPLACE: 16,
  XDP_ATTACHED_NONE: 0,
  XDP_ATTACHED_DRV: 1,
  XDP_ATTACHED_SKB: 2,
  XDP_ATTACHED_HW: 3,
  XDP_ATTACHED_MULTI: 4,

  IFF_UP: 1,
  IFNAMSIZ: 16,
} as const;

export const ADDRESS = {
  IFA_ADDRESS: 1,
  IFA_LOCAL: 2,
  IFA_FLAGS: 8,
  IFA_F_NODAD: 0x02,
  IFA_F_DADFAILED: 0x08,
  IFA_F_TENTATIVE: 0x40,
  IFA_F_PERMANENT: 0x80,
} as const;

export const NEIGHBOUR = {
  NDA_DST: 1,
  NDA_LLADDR: 2,
  NUD_INCOMPLETE: 0x01,
  NUD_REACHABLE: 0x02,
  NUD_STALE: 0x04,
  NUD_DELAY: 0x08,
  NUD_PROBE: 0x10,
  NUD_FAILED: 0x20,
  NUD_NOARP: 0x40,
  NUD_PERMANENT: 0x80,
} as const;

export const ROUTE = {
  RTA_DST: 1,
  RTA_OIF: 4,
  RTA_GATEWAY: 5,
  RTA_PRIORITY: 6,
  RTA_PREFSRC: 7,
  RTA_TABLE: 15,
  RT_TABLE_MAIN: 254,
  RTPROT_BOOT: 3,
  RT_SCOPE_UNIVERSE: 0,
  RT_SCOPE_LINK: 253,
  RTN_UNICAST: 1,
  RTN_LOCAL: 2,
  RTN_BLACKHOLE: 6,
  RTN_UNREACHABLE: 7,
  RTN_PROHIBIT: 8,
} as const;

/** Traffic control. */
export const TC = {
  TCA_KIND: 1,
  TCA_OPTIONS: 2,
  TC_H_CLSACT: 0xfffffff1,
  TC_H_MIN_INGRESS: 0xfff2,
  TC_H_MIN_EGRESS: 0xfff3,
  TCA_BPF_FD: 6,
  TCA_BPF_NAME: 7,
  TCA_BPF_FLAGS: 8,
  TCA_BPF_ID: 11,
  TCA_BPF_FLAG_ACT_DIRECT: 1,
} as const;

export const NAMESPACE_ID = {
  NETNSA_NSID: 1,
  NETNSA_FD: 3,
} as const;

/** Sizes in bytes of the fixed part that follows the netlink header. */
export const SIZE = {
  nlmsghdr: 16,
  nlattr: 4,
  ifinfomsg: 16,
  ifaddrmsg: 8,
  ndmsg: 12,
  rtmsg: 12,
  rtgenmsg: 1,
  tcmsg: 20,
  sockaddr_nl: 12,
} as const;
