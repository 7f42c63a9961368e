// The host's end of a serial line from a board.

#ifndef FIRSTSPIKE_RECEIVER_H_
#define FIRSTSPIKE_RECEIVER_H_

#include <cstdint>

constexpr int kFrame = 10;  // bits: start, data from the lowest bit on, stop

// Looks at the line in each clock cycle, and at each bit in its middle.
class Receiver {
  public:
    // Whether a byte's frame has ended; a bit takes `bit` cycles.
    bool cycle(bool level, double bit) {
        if (!busy_) {
            if (!level) busy_ = true, time_ = 0, count_ = 0, shift_ = 0;
            return false;
        }
        if (++time_ < (count_ + 0.5) * bit) return false;
        shift_ |= unsigned{level} << count_;
        if (++count_ < kFrame) return false;
        busy_ = false;
        return true;
    }

    bool busy() const { return busy_; }

    // Of the frame that has ended: whether its start and its stop bit are right, and its byte.
    bool whole() const { return !(shift_ & 1) && shift_ >> (kFrame - 1); }
    uint8_t byte() const { return static_cast<uint8_t>(shift_ >> 1); }

  private:
    bool busy_ = false;
    int count_ = 0;
    uint64_t time_ = 0;
    unsigned shift_ = 0;
};

#endif
